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

# tests/unit/tests/platform/test_x.c: the pure parts of it.
$(BUILD)/test/unit/tests/platform/%: $(BUILD)/obj/tests/unit/tests/platform/%.o $(BUILD)/obj/tests/unit/testkit.o \
		$(L_PLATFORM) $(L_PROTO) $(L_BASE)
	@mkdir -p $(@D)
	@echo "  LINK $@"
	$(Q)$(CC) $(LDFLAGS) $(TESTKIT_LDFLAGS) $^ -lcmocka $(SYS_platform) -o $@

.PHONY: platform-check
platform-check: $(BUILD)/bin/local-platform ## local-platform and its Python peer, both asked by Python grpcio
	$(Q)tests/platform/check.py $(BUILD)
	$(Q)tests/platform/check.py $(BUILD) --peer
