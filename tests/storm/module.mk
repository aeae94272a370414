# The edge and a call-actor in a storm of seeds (tests/storm/README.md).
STORM_OBJS = $(call obj,$(wildcard tests/storm/*.c)) $(call obj,$(addprefix tests/fuzz/,virt_rt.c virt_store.c virt_backends.c virt_service.c))
$(BUILD)/test/storm: $(STORM_OBJS) $(BUILD)/lib/libcall-actor.a $(BUILD)/lib/libsip-edge.a $(LIBS_sip-edge)
	@mkdir -p $(@D)
	@echo "  LINK $@"
	$(Q)$(CC) $(LDFLAGS) $^ $(SYS_sip-edge) -o $@
.SECONDARY: $(STORM_OBJS)

# … and some of every kind twice, by two processes, whose hashes must be the same.
STORM_REPLAYED = --seed 22 --count 7 --seconds 1000000
storm-short: $(BUILD)/test/storm
	$(Q)$< --seconds 10 --count 1000
	$(Q)a=$$($< $(STORM_REPLAYED)) || { echo "$$a"; exit 1; }; b=$$($< $(STORM_REPLAYED)); \
	    [ "$$a" = "$$b" ] || { echo "storm: a seed is not replayed:"; echo "$$a"; echo "$$b"; exit 1; }
unit: storm-short

# make storm T=3600 [SEED=1]
storm: $(BUILD)/test/storm
	$(Q)$< --seconds $(T) $(if $(SEED),--seed $(SEED))

# Faults put back: each must be found.
storm-mutations: $(BUILD)/test/storm
	$(Q)tests/storm/mutate
.PHONY: storm storm-short storm-mutations
