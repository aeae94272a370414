# What makes a worker deaf, or lets an input kill it (test_heart.py)
$(BUILD)/test/saboteur.so: tests/process/saboteur.c
	@mkdir -p $(@D)
	@echo "  LINK $@"
	$(Q)$(CC) $(CPPFLAGS) -std=c17 -g -O1 $(WARN) -fPIC -shared $< -ldl -o $@

# make kill: the programs once more, with kill points (common/rt/killpoint.h). Only the files that have one are compiled
# anew; they stand in front of the archives, whose own members of the same name are then not looked at.
KILL_SRC := $(shell grep -l 'KILL_POINT."' common/*/*.c $(PROCS:%=%/*.c))
KILL_BIN := $(PROCS:%=$(BUILD)/kill/bin/%)
kill-obj  = $(patsubst %.c,$(BUILD)/obj/kill/%.o,$(filter common/% $(1)/%,$(KILL_SRC)))

$(BUILD)/obj/kill/%.o: %.c | $(GEN_H)
	@mkdir -p $(@D)
	@echo "  CC   $< (kill points)"
	$(Q)$(CC) $(CPPFLAGS) -DKILLPOINTS $(CFLAGS) -MMD -MP -c $< -o $@
define kill-bin
$(BUILD)/kill/bin/$(1): $(BUILD)/obj/$(1)/main.o $(call kill-obj,$(1)) $(BUILD)/lib/lib$(1).a $$(LIBS_$(1))
	@mkdir -p $$(@D)
	@echo "  LINK $$@"
	$(Q)$$(CC) $$(LDFLAGS) $$^ $$(SYS_$(1)) $$(MALLOC_$(1)) -o $$@
endef
$(foreach p,$(PROCS),$(eval $(call kill-bin,$(p))))
.PHONY: kill
kill: $(KILL_BIN)
