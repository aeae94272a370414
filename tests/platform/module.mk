# local-platform: the local user-, dialplan- and media-service (see README.md here).
PLATFORM_SRC := $(filter-out tests/platform/main.c,$(wildcard tests/platform/*.c))
L_PLATFORM    = $(BUILD)/lib/libplatform.a
SYS_platform  = -lgrpc -lgpr -lprotobuf-c -lcrypto $(SYS_base) -lpthread

$(L_PLATFORM): $(call obj,$(PLATFORM_SRC))
	@mkdir -p $(@D)
	$(Q)rm -f $@ && ar rcs $@ $^

$(BUILD)/bin/local-platform: $(BUILD)/obj/tests/platform/main.o $(L_PLATFORM) $(L_PROTO) $(L_BASE)
	@mkdir -p $(@D)
	@echo "  LINK $@"
	$(Q)$(CC) $(LDFLAGS) $^ $(SYS_platform) -o $@
