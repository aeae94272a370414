# Every state machine walked: tests/table/<process>.c lists the tables of a process and is linked with its archive.
TABLE_PROCS := $(filter $(PROCS),$(patsubst tests/table/%.c,%,$(wildcard tests/table/*.c)))
TABLE_BIN   := $(TABLE_PROCS:%=$(BUILD)/test/table/%)

define table-bin
$(BUILD)/test/table/$(1): $(call obj,tests/table/$(1).c tests/table/walk.c) $(BUILD)/lib/lib$(1).a $(LIBS_$(1))
	@mkdir -p $$(@D)
	@echo "  LINK $$@"
	$(Q)$$(CC) $$(LDFLAGS) $$^ $(SYS_$(1)) -o $$@
endef
$(foreach p,$(TABLE_PROCS),$(eval $(call table-bin,$(p))))

.PHONY: table
table: $(TABLE_BIN)
	$(Q)for t in $^; do $$t || exit 1; done
check: table
