# Fuzz entries: tests/fuzz/fuzz_<name>.c with its seeds in tests/fuzz/corpus/<name>/ (README.md here).
#
# An entry links the grammar unless it says otherwise:
#   FUZZ_LIBS_<name>   archives         FUZZ_SYS_<name>   system libraries        FUZZ_SEEDS_<name>   further seed folders
#   FUZZ_OBJS_<name>   further sources here, without .c
#   FUZZ_DICT_<name>   dictionary in tests/fuzz/dict, when it is not <name>.dict
FUZZ_NAMES := $(patsubst tests/fuzz/fuzz_%.c,%,$(wildcard tests/fuzz/fuzz_*.c))
FUZZ_SEEDS_sip_msg = tests/torture
FUZZ_SEEDS_sip_caps = tests/torture tests/fuzz/corpus/sip_msg
$(foreach n,sip_msg sip_index sip_caps sip_frame sip_addr sip_via sip_uri sip_num sip_auth sip_body sip_refer sip_replaces txn call register challenge identity route service,\
    $(eval FUZZ_DICT_$(n) = sip.dict))
FUZZ_DICT_offer = sdp.dict
FUZZ_LIBS_txn = $(BUILD)/lib/libsip-edge.a $(LIBS_sip-edge)
FUZZ_SYS_txn  = $(SYS_sip-edge)
FUZZ_LIBS_dns = $(BUILD)/lib/libsip-edge.a $(LIBS_sip-edge)
FUZZ_SYS_dns  = $(SYS_sip-edge)
FUZZ_LIBS_inbox = $(BUILD)/lib/libsip-edge.a $(LIBS_sip-edge)
FUZZ_SYS_inbox  = $(SYS_sip-edge)
FUZZ_SEEDS_inbox = tests/fuzz/corpus/sip_frame
FUZZ_LIBS_offer = $(BUILD)/lib/libcall-actor.a $(LIBS_call-actor)
FUZZ_SYS_offer  = $(SYS_call-actor)
FUZZ_SEEDS_offer = tests/fuzz/corpus/sdp
FUZZ_LIBS_call = $(BUILD)/lib/libcall-actor.a $(LIBS_call-actor)
FUZZ_SYS_call  = $(SYS_call-actor)
FUZZ_LIBS_refer = $(BUILD)/lib/libcall-actor.a $(LIBS_call-actor)
FUZZ_SYS_refer  = $(SYS_call-actor)
FUZZ_LIBS_identity = $(BUILD)/lib/libcall-actor.a $(LIBS_call-actor)
FUZZ_SYS_identity  = $(SYS_call-actor)
FUZZ_SEEDS_identity = tests/torture
FUZZ_LIBS_route = $(BUILD)/lib/libcall-actor.a $(LIBS_call-actor)
FUZZ_SYS_route  = $(SYS_call-actor)
FUZZ_LIBS_challenge = $(BUILD)/lib/libcall-actor.a $(LIBS_call-actor)
FUZZ_SYS_challenge  = $(SYS_call-actor)
FUZZ_LIBS_register = $(BUILD)/lib/libcall-actor.a $(LIBS_call-actor)
FUZZ_SYS_register  = $(SYS_call-actor)
FUZZ_LIBS_dialplan = $(BUILD)/lib/liborchestrator.a $(LIBS_orchestrator)
FUZZ_SYS_dialplan  = $(SYS_orchestrator)
FUZZ_LIBS_event = $(L_PROTO) $(L_BASE)
FUZZ_SYS_event  = -lprotobuf-c $(SYS_base)
FUZZ_LIBS_command = $(BUILD)/lib/libpublisher.a $(LIBS_publisher)
FUZZ_SYS_command  = $(SYS_publisher)
FUZZ_LIBS_amqp = $(BUILD)/lib/libpublisher.a $(LIBS_publisher)
FUZZ_SYS_amqp  = $(SYS_publisher)
FUZZ_LIBS_control = $(L_PROTO) $(L_BASE)
FUZZ_SYS_control  = -lprotobuf-c $(SYS_base)
FUZZ_LIBS_service = $(BUILD)/lib/libcall-actor.a $(BUILD)/lib/libsip-edge.a $(LIBS_sip-edge)
FUZZ_SYS_service  = $(SYS_sip-edge)
FUZZ_OBJS_service = service_peers virt_rt virt_store virt_backends virt_service
FUZZ_LIBS_plane = $(L_PROTO) $(L_BASE)
FUZZ_SYS_plane  = -lprotobuf-c $(SYS_base)
FUZZ_LIBS_store = $(BUILD)/lib/libcall-actor.a $(LIBS_call-actor)
FUZZ_SYS_store  = $(SYS_call-actor)
FUZZ_LIBS_amqp_url = $(BUILD)/lib/libpublisher.a $(LIBS_publisher)
FUZZ_SYS_amqp_url  = $(SYS_publisher)
FUZZ_LIBS_conf = $(L_RT) $(L_PROTO) $(L_BASE)
FUZZ_SYS_conf  = $(SYS_rt)

T ?= 60
fuzz-libs = $(or $(FUZZ_LIBS_$(1)),$(L_SIP) $(L_BASE))
fuzz-objs = $(patsubst %,$(BUILD)/obj/tests/fuzz/%.o,$(FUZZ_OBJS_$(1)))
fuzz-sys  = $(or $(FUZZ_SYS_$(1)),$(SYS_base))
fuzz-dict = $(addprefix -dict=,$(wildcard tests/fuzz/dict/$(or $(FUZZ_DICT_$(1)),$(1).dict)))
fuzz-seed = $(wildcard tests/fuzz/corpus/$(1)) $(FUZZ_SEEDS_$(1))

# $(BUILD)/test/fuzz/<name> replays files; $(BUILD)/fuzz/<name> is the fuzzer, only linked by `make fuzz` with clang.
define fuzz-bin
$(BUILD)/test/fuzz/$(1): $(BUILD)/obj/tests/fuzz/fuzz_$(1).o $(BUILD)/obj/tests/fuzz/replay.o $(call fuzz-objs,$(1)) $(call fuzz-libs,$(1))
	@mkdir -p $$(@D)
	@echo "  LINK $$@"
	$(Q)$$(CC) $$(LDFLAGS) $$^ $(call fuzz-sys,$(1)) -o $$@
$(BUILD)/fuzz/$(1): $(BUILD)/obj/tests/fuzz/fuzz_$(1).o $(call fuzz-objs,$(1)) $(call fuzz-libs,$(1))
	@mkdir -p $$(@D)
	@echo "  LINK $$@"
	$(Q)$$(CC) $$(LDFLAGS) -fsanitize=fuzzer $$^ $(call fuzz-sys,$(1)) -o $$@
fuzz-replay-$(1): $(BUILD)/test/fuzz/$(1)
	$(Q)$$< $(call fuzz-seed,$(1))
endef
$(foreach n,$(FUZZ_NAMES),$(eval $(call fuzz-bin,$(n))))
.SECONDARY: $(FUZZ_NAMES:%=$(BUILD)/obj/tests/fuzz/fuzz_%.o) $(foreach n,$(FUZZ_NAMES),$(call fuzz-objs,$(n))) $(BUILD)/obj/tests/fuzz/replay.o

# Every seed and every prefix of it, in the normal check.
fuzz-replay: $(FUZZ_NAMES:%=fuzz-replay-%)
unit: fuzz-replay
.PHONY: fuzz-replay $(FUZZ_NAMES:%=fuzz-replay-%)

# What is found stays in $(BUILD)/fuzz; an input that crashed belongs into tests/fuzz/corpus/<name>/ with its fix.
fuzz:
	@test -f tests/fuzz/fuzz_$(P).c || { echo 'make fuzz P=NAME [T=SECONDS]; NAME: $(FUZZ_NAMES)'; exit 2; }
	$(Q)$(MAKE) --no-print-directory CC=clang BUILD=$(BUILD)/fuzz SAN=fuzzer-no-link,address,undefined $(BUILD)/fuzz/fuzz/$(P)
	@mkdir -p $(BUILD)/fuzz/found/$(P)
	$(Q)$(BUILD)/fuzz/fuzz/$(P) -max_total_time=$(T) -timeout=5 -rss_limit_mb=1024 -print_final_stats=1 \
	    -artifact_prefix=$(BUILD)/fuzz/$(P)- $(call fuzz-dict,$(P)) $(BUILD)/fuzz/found/$(P) $(call fuzz-seed,$(P))

# Seeds that reach what the present ones do not, out of what `make fuzz` found.
fuzz-minimise:
	@test -x $(BUILD)/fuzz/fuzz/$(P) || { echo 'make fuzz P=NAME first'; exit 2; }
	@mkdir -p tests/fuzz/corpus/$(P)
	$(Q)$(BUILD)/fuzz/fuzz/$(P) -set_cover_merge=1 -use_counters=0 -max_len=1024 tests/fuzz/corpus/$(P) $(BUILD)/fuzz/found/$(P) 2>&1 | tail -n 1
.PHONY: fuzz-minimise
