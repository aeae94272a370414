# The fake call-actor of tests/broker: the publisher's other side, without calls
$(BUILD)/bin/fake-actor: $(BUILD)/obj/tests/broker/fake_actor.o $(L_RT) $(L_PROTO) $(L_BASE)
	@mkdir -p $(@D)
	@echo "  LINK $@"
	$(Q)$(CC) $(LDFLAGS) $^ $(SYS_rt) -o $@
