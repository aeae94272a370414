# What the tests of one folder share: every .c beside them that is not a test_*.c is linked into each of them.
UNIT_SHARED := $(filter-out $(foreach d,$(wildcard tests/unit/*/ tests/unit/*/*/),$(wildcard $(d)test_*.c)),\
                 $(wildcard tests/unit/*/*.c tests/unit/*/*/*.c))
define unit-shared
$(patsubst tests/%.c,$(BUILD)/test/%,$(wildcard $(dir $(1))test_*.c)): $(BUILD)/obj/$(1:.c=.o)
endef
$(foreach s,$(UNIT_SHARED),$(eval $(call unit-shared,$(s))))

# Every stage of a call x everything that can end it, and every transfer x whatever becomes of it, as tables for people
matrix: matrix-calls matrix-transfers
matrix-calls: $(BUILD)/test/unit/call-actor/test_call_matrix
matrix-transfers: $(BUILD)/test/unit/call-actor/test_transfer_matrix
matrix-calls matrix-transfers:
	$(Q)MATRIX=1 $<
.PHONY: matrix matrix-calls matrix-transfers
