# Kill -9 under load (README.md here): who calls, and who looks at the wire.
CHAOS_LOAD_OBJ := $(patsubst %,$(BUILD)/obj/tests/%.o,chaos/chaos_load chaos/caller chaos/callee chaos/party chaos/link bench/load)
$(BUILD)/bin/chaos_load: $(CHAOS_LOAD_OBJ) $(L_BASE)
	@mkdir -p $(@D)
	@echo "  LINK $@"
	$(Q)$(CC) $(LDFLAGS) $^ -lssl -lcrypto $(SYS_base) -o $@
$(BUILD)/bin/chaos_wire: $(BUILD)/obj/tests/chaos/chaos_wire.o $(BUILD)/obj/tests/bench/load.o $(L_BASE)
	@mkdir -p $(@D)
	@echo "  LINK $@"
	$(Q)$(CC) $(LDFLAGS) $^ $(SYS_base) -o $@

# A wall clock to be set, for LD_PRELOAD
$(BUILD)/lib/clock_shim.so: tests/chaos/clock_shim.c
	@mkdir -p $(@D)
	@echo "  LINK $@"
	$(Q)$(CC) -D_GNU_SOURCE -std=c17 -O2 $(WARN) -fPIC -shared -fvisibility=hidden $< -ldl -o $@

# Ten minutes at 200 calls a second with a kill a second; a death at each kill point; then what a proxy can do as well, ours and Debian's Kamailio
# (scripts/packages.sh bench)
CHAOS_PROXY := --only kill --ways u --shards 1 --every 3 --mix ccbbrre --rate 100 --seconds 180 --seed 7
chaos: all kill $(BUILD)/bin/local-platform $(BUILD)/bin/chaos_load $(BUILD)/bin/chaos_wire $(BUILD)/bin/reg_load $(BUILD)/lib/clock_shim.so
	$(Q)BUILD=$(BUILD) tests/chaos/run --full
	$(Q)BUILD=$(BUILD) tests/chaos/run --full --points
	$(Q)BUILD=$(BUILD) tests/chaos/run $(CHAOS_PROXY)
	$(Q)BUILD=$(BUILD) tests/chaos/run $(CHAOS_PROXY) --kamailio
.PHONY: chaos
