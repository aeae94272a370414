# What makes a worker deaf, or lets an input kill it (test_heart.py)
$(BUILD)/test/saboteur.so: tests/process/saboteur.c
	@mkdir -p $(@D)
	@echo "  LINK $@"
	$(Q)$(CC) $(CPPFLAGS) -std=c17 -g -O1 $(WARN) -fPIC -shared $< -ldl -o $@
