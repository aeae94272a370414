# make bench: what a call costs, beside the floor (README.md here)
FLOORS := $(BUILD)/bin/floor_grpc $(BUILD)/bin/floor_amqp
FLOOR_COMMON := $(BUILD)/obj/tests/bench/floor.o

$(BUILD)/bin/floor_grpc: $(BUILD)/obj/tests/bench/floor_grpc.o $(FLOOR_COMMON) $(L_PROTO) $(L_BASE)
	@mkdir -p $(@D)
	@echo "  LINK $@"
	$(Q)$(CC) $(LDFLAGS) $^ -lgrpc -lgpr -lprotobuf-c $(SYS_base) -o $@
$(BUILD)/bin/floor_amqp: $(BUILD)/obj/tests/bench/floor_amqp.o $(FLOOR_COMMON)
	@mkdir -p $(@D)
	@echo "  LINK $@"
	$(Q)$(CC) $(LDFLAGS) $^ -lrabbitmq -o $@

floors: $(FLOORS)
.PHONY: floors
bench: all $(BUILD)/bin/local-platform $(FLOORS)
	$(Q)BUILD=$(BUILD) tests/bench/bench.py

# What a call costs the edge alone, its callers and its actor played: edge_cost SIP-EDGE CALLS-PER-SECOND SECONDS
$(BUILD)/bin/edge_cost: $(BUILD)/obj/tests/bench/edge_cost.o $(LIBS_sip-edge)
	@mkdir -p $(@D)
	@echo "  LINK $@"
	$(Q)$(CC) $(LDFLAGS) $^ $(SYS_sip-edge) -o $@

# What the grammar costs, beside libosip2 and sofia-sip (scripts/packages.sh bench)
BENCH_PARSE_OBJ := $(patsubst %,$(BUILD)/obj/tests/bench/%.o,bench_parse parse_ours parse_osip parse_sofia)
# A library's headers are not ours to mend: system headers, without our warnings.
$(BUILD)/obj/tests/bench/parse_sofia.o $(BUILD)/tidy/tests/bench/parse_sofia.c.ok: CPPFLAGS += -isystem /usr/include/sofia-sip-1.12
# The system allocator stands behind the counting one.
$(BUILD)/obj/tests/bench/bench_parse.o: CFLAGS += -fno-builtin
$(BUILD)/bin/bench_parse: $(BENCH_PARSE_OBJ) $(BUILD)/lib/libsip-edge.a $(LIBS_sip-edge)
	@mkdir -p $(@D)
	@echo "  LINK $@"
	$(Q)$(CC) $(LDFLAGS) -rdynamic $^ $(SYS_sip-edge) -losipparser2 -lsofia-sip-ua -o $@
bench-parse: $(BUILD)/bin/bench_parse
	$(Q)tests/bench/bench_parse.py $<
.PHONY: bench-parse

# What the guard costs a message: guard_cost
$(BUILD)/bin/guard_cost: $(BUILD)/obj/tests/bench/guard_cost.o $(BUILD)/lib/libsip-edge.a $(LIBS_sip-edge)
	@mkdir -p $(@D)
	@echo "  LINK $@"
	$(Q)$(CC) $(LDFLAGS) $^ $(SYS_sip-edge) -o $@

# What a registration costs, beside Kamailio in the same run (scripts/packages.sh bench)
$(BUILD)/bin/cancel_load: $(BUILD)/obj/tests/bench/cancel_callee.o
$(BUILD)/bin/reg_load $(BUILD)/bin/cancel_load: $(BUILD)/bin/%: $(BUILD)/obj/tests/bench/%.o $(BUILD)/obj/tests/bench/load.o $(LIBS_sip-edge)
	@mkdir -p $(@D)
	@echo "  LINK $@"
	$(Q)$(CC) $(LDFLAGS) $^ $(SYS_sip-edge) -o $@
bench-register: all $(BUILD)/bin/local-platform $(BUILD)/bin/reg_load
	$(Q)BUILD=$(BUILD) tests/bench/bench_register.py
.PHONY: bench-register
