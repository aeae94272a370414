# What the tests of one folder share: every .c beside them that is not a test_*.c is linked into each of them.
UNIT_SHARED := $(filter-out $(foreach d,$(wildcard tests/unit/*/ tests/unit/*/*/),$(wildcard $(d)test_*.c)),\
                 $(wildcard tests/unit/*/*.c tests/unit/*/*/*.c))
define unit-shared
$(patsubst tests/%.c,$(BUILD)/test/%,$(wildcard $(dir $(1))test_*.c)): $(BUILD)/obj/$(1:.c=.o)
endef
$(foreach s,$(UNIT_SHARED),$(eval $(call unit-shared,$(s))))

# Every stage of a call x everything that can end it, as a table for people
matrix: $(BUILD)/test/unit/call-actor/test_call_matrix $(BUILD)/test/unit/call-actor/test_transfer_matrix
	$(Q)for matrix in $^; do MATRIX=1 $$matrix || exit 1; done
.PHONY: matrix
