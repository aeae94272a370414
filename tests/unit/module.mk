# What the tests of one folder share: every .c beside them that is not a test_*.c is linked into each of them.
UNIT_SHARED := $(filter-out $(foreach d,$(wildcard tests/unit/*/ tests/unit/*/*/),$(wildcard $(d)test_*.c)),\
                 $(wildcard tests/unit/*/*.c tests/unit/*/*/*.c))
define unit-shared
$(patsubst tests/%.c,$(BUILD)/test/%,$(wildcard $(dir $(1))test_*.c)): $(BUILD)/obj/$(1:.c=.o)
endef
$(foreach s,$(UNIT_SHARED),$(eval $(call unit-shared,$(s))))
