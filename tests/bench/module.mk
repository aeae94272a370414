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
