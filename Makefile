# One make for the whole tree. `make help` lists what can be asked of it.
#
#   BUILD=DIR      where everything goes          (build; build/san with SAN)
#   SAN=address,undefined                          sanitizers, any target
#   CC=clang       the other compiler
#   V=1            show the commands

BUILD ?= build$(if $(SAN),/san)
CC     = gcc
VERSION := $(shell cat VERSION)

# --- flags -------------------------------------------------------------------------------------------------------
WARN   := -Wall -Wextra -Wshadow -Wconversion -Werror -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wformat=2
HARDEN := -fstack-protector-strong -fPIE -fcf-protection -fno-plt -fvisibility=hidden
OPT    := $(if $(SAN),-O1 -fno-omit-frame-pointer -fsanitize=$(SAN) -fno-sanitize-recover=all,-O2 -D_FORTIFY_SOURCE=2)
CPPFLAGS += -D_GNU_SOURCE -I. -I$(BUILD)/gen -DSIG_VERSION='"$(VERSION)"'
CFLAGS   += -std=c17 -g $(OPT) $(WARN) $(HARDEN)
LDFLAGS  += -pie -Wl,-z,relro,-z,now,-z,noexecstack $(if $(SAN),-fsanitize=$(SAN))
ifneq ($(COVER),)
CFLAGS  += --coverage
LDFLAGS += --coverage
endif
Q := $(if $(V),,@)

# --- what there is -----------------------------------------------------------------------------------------------
# A process is its folder: every .c in it but main.c (and sigctl.c) is also an archive, so that tests and fuzzers link
# the very same objects.
PROCS  := supervisor sip-edge call-actor orchestrator publisher
BINS   := $(addprefix $(BUILD)/bin/,$(PROCS) sigctl)
MAINS  := $(addsuffix /main.c,$(PROCS)) supervisor/sigctl.c

PROTOS := $(wildcard proto/*.proto proto/platform/*.proto)
GEN_H  := $(PROTOS:%.proto=$(BUILD)/gen/%.pb-c.h)
GEN_C  := $(GEN_H:.h=.c)

lib-src = $(filter-out $(MAINS),$(wildcard $(1)/*.c))
obj     = $(patsubst %.c,$(BUILD)/obj/%.o,$(1))
LIBS   := $(foreach l,base sip proto rt $(PROCS),$(BUILD)/lib/lib$(l).a)
L_BASE  = $(BUILD)/lib/libbase.a
L_SIP   = $(BUILD)/lib/libsip.a
L_PROTO = $(BUILD)/lib/libproto.a
L_RT    = $(BUILD)/lib/librt.a

# Who may link what is who may include what (docs/decisions.md; tests/lint checks the includes).
LIBS_supervisor   = $(L_RT) $(L_PROTO) $(L_BASE)
LIBS_sip-edge     = $(L_RT) $(L_SIP) $(L_PROTO) $(L_BASE)
LIBS_call-actor   = $(L_RT) $(L_SIP) $(L_PROTO) $(L_BASE)
LIBS_orchestrator = $(L_RT) $(L_PROTO) $(L_BASE)
LIBS_publisher    = $(L_RT) $(L_PROTO) $(L_BASE)
SYS_base          = -lcjson -lm
SYS_rt            = -lev -lcrypto -lprotobuf-c $(SYS_base) -lpthread
SYS_supervisor    = $(SYS_rt)
SYS_sip-edge      = -lssl -lcares $(SYS_rt)
SYS_call-actor    = -llmdb $(SYS_rt)
SYS_orchestrator  = -lgrpc -lgpr $(SYS_rt)
SYS_publisher     = -lrabbitmq -lssl $(SYS_rt)
# gRPC takes and gives back blocks beyond 1 KiB all the time: dear with glibc (docs/decisions.md 35). Sanitizers bring their own.
MALLOC_orchestrator = $(if $(SAN),,-ljemalloc)

.PHONY: all check unit format format-check tidy lint bench fuzz cover clean help
all: $(BINS)

# --- generated ---------------------------------------------------------------------------------------------------
# One protoc-c run per file makes both outputs (a grouped target).
$(BUILD)/gen/%.pb-c.c $(BUILD)/gen/%.pb-c.h &: %.proto
	@mkdir -p $(@D)
	$(Q)protoc-c --c_out=$(BUILD)/gen $<
.SECONDARY: $(GEN_C) $(GEN_H)

# Generated code is compiled without our warnings: it is not ours to mend.
$(BUILD)/obj/gen/%.o: $(BUILD)/gen/%.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(filter-out $(WARN),$(CFLAGS)) -w -c $< -o $@

# --- compile -----------------------------------------------------------------------------------------------------
$(BUILD)/obj/%.o: %.c | $(GEN_H)
	@mkdir -p $(@D)
	@echo "  CC   $<"
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c $< -o $@

$(BUILD)/lib/libbase.a:  $(call obj,$(call lib-src,common/base))
$(BUILD)/lib/libsip.a:   $(call obj,$(call lib-src,common/sip))
$(BUILD)/lib/librt.a:    $(call obj,$(call lib-src,common/rt))
$(BUILD)/lib/libproto.a: $(call obj,$(call lib-src,proto)) $(patsubst $(BUILD)/gen/%.c,$(BUILD)/obj/gen/%.o,$(GEN_C))
define proc-lib
$(BUILD)/lib/lib$(1).a: $$(call obj,$$(call lib-src,$(1)))
endef
$(foreach p,$(PROCS),$(eval $(call proc-lib,$(p))))
$(LIBS):
	@mkdir -p $(@D)
	$(Q)rm -f $@ && ar rcs $@ $^

# --- link --------------------------------------------------------------------------------------------------------
define proc-bin
$(BUILD)/bin/$(1): $(BUILD)/obj/$(1)/main.o $(BUILD)/lib/lib$(1).a $$(LIBS_$(1))
	@mkdir -p $$(@D)
	@echo "  LINK $$@"
	$(Q)$$(CC) $$(LDFLAGS) $$^ $$(SYS_$(1)) $$(MALLOC_$(1)) -o $$@
endef
$(foreach p,$(PROCS),$(eval $(call proc-bin,$(p))))
$(BUILD)/bin/sigctl: $(BUILD)/obj/supervisor/sigctl.o $(BUILD)/lib/libsupervisor.a $(L_PROTO) $(L_BASE)
	@mkdir -p $(@D)
	@echo "  LINK $@"
	$(Q)$(CC) $(LDFLAGS) $^ -lprotobuf-c $(SYS_base) -o $@

# --- further parts: each folder's own rules ----------------------------------------------------------------------
include $(wildcard tests/*/module.mk)

# --- unit and table tests: tests/unit/<path>/test_x.c links the archive of <path> ------------------------------------
# tests/unit/sip-edge/test_txn.c -> $(BUILD)/test/unit/sip-edge/test_txn; tests/unit/common/..., tests/unit/proto/... alike
UNIT_SRC := $(wildcard tests/unit/*/test_*.c tests/unit/*/*/test_*.c)
UNIT_BIN := $(UNIT_SRC:tests/%.c=$(BUILD)/test/%)
TESTKIT  := $(BUILD)/obj/tests/unit/testkit.o
# Functions a test replaces by its own __wrap_ ones.
WRAP_test_store := clock_gettime mdb_cursor_get
WRAP_test_clock := clock_gettime
WRAP_test_bus := work_begin work_is_readable
WRAP_test_outbox := bus_send_later bus_link_is_up
WRAP_test_admit  := loop_now bus_send bus_link_is_up bus_link_down_since bus_link_peer outbox_is_full store_is_full store_keep_room
WRAP_test_where  := loop_now loop_timer_in loop_timer_cancel bus_send actor_step registrar_location location_get gate_users \
                    users_find users_ask worker_conf conf_u32 work_begin actor_end_poisoned
WRAP_test_actor_poison := loop_now loop_timer_at loop_timer_cancel loop_cut_turn work_begin work_is_careful actor_step \
                          bus_link_user bus_send bus_send_later outbox_add
WRAP_test_actor_follow := loop_now loop_timer_in turn_apply actor_txn_failed registrar_location location_get \
                          work_begin actor_end_poisoned
WRAP_test_location := loop_now loop_timer_at loop_timer_cancel store_put store_del
WRAP_test_keepalive := loop_now loop_timer_at loop_timer_cancel bus_send_later bus_link_is_up registrar_location \
                       registrar_take_change location_get worker_conf conf_is
TESTKIT_LDFLAGS := -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc
define unit-bin
$(BUILD)/test/unit/$(1)/%: $(BUILD)/obj/tests/unit/$(1)/%.o $(TESTKIT) $(2)
	@mkdir -p $$(@D)
	@echo "  LINK $$@"
	$(Q)$$(CC) $$(LDFLAGS) $(TESTKIT_LDFLAGS) $$(WRAP_$$(@F):%=-Wl,--wrap=%) $$(filter %.o,$$^) $$(filter %.a,$$^) -lcmocka $(3) -o $$@
endef
$(foreach p,$(PROCS),$(eval $(call unit-bin,$(p),$(BUILD)/lib/lib$(p).a $$(LIBS_$(p)),$$(SYS_$(p)))))
$(eval $(call unit-bin,common/base,$(L_BASE),$(SYS_base)))
$(eval $(call unit-bin,common/sip,$(L_SIP) $(L_BASE),$(SYS_base)))
$(eval $(call unit-bin,proto,$(L_PROTO) $(L_BASE),-lprotobuf-c $(SYS_base)))
$(eval $(call unit-bin,common/rt,$(L_RT) $(L_PROTO) $(L_BASE),$(SYS_rt)))
.SECONDARY: $(call obj,$(UNIT_SRC)) $(TESTKIT)

unit: $(UNIT_BIN)
	$(Q)tests/unit/run $(UNIT_BIN)

# --- quality -----------------------------------------------------------------------------------------------------
OURS = $(wildcard common/*/*.[ch] proto/*.[ch] $(addsuffix /*.[ch],$(PROCS)) tests/*/*.[ch] tests/unit/*/*.[ch] tests/unit/*/*/*.[ch])
format:
	clang-format -i $(OURS)
format-check:
	$(Q)clang-format --dry-run --Werror $(OURS)
TIDY_SRC = $(filter-out tests/%,$(filter %.c,$(OURS)))
tidy: $(TIDY_SRC:%=$(BUILD)/tidy/%.ok)
$(BUILD)/tidy/%.ok: % .clang-tidy | $(GEN_H)
	@mkdir -p $(@D)
	@echo "  TIDY $<"
	$(Q)clang-tidy --quiet $< -- -std=c17 $(CPPFLAGS) 2>/dev/null
	@touch $@
lint:
	$(Q)tests/lint/selftest && tests/lint/run
check: all unit lint format-check tidy ## quick: unit, table, torture, corpus replay, lint, clang-format, clang-tidy

cover:
	$(Q)rm -rf $(BUILD)/cover
	$(Q)$(MAKE) COVER=1 BUILD=$(BUILD)/cover OPT=-O0 unit
	$(Q)scripts/cover.py $(BUILD)/cover

clean:
	rm -rf $(BUILD)

help:
	@echo 'make            the six programs, in $(BUILD)/bin'
	@echo 'make check      quick checks: unit, table, torture, corpus replay, lint, clang-format, clang-tidy'
	@echo 'make unit       only the unit tests'
	@echo 'make bench      what a call costs, beside the floor (see docs/operations.md)'
	@echo 'make bench-register  what a registration costs, beside Kamailio'
	@echo 'make kill       the programs with kill points (docs/killpoints.md), in $(BUILD)/kill/bin'
	@echo 'make storm [T=60] [SEED=1]   calls in virtual time, a network that loses, processes that die; a seed replays'
	@echo 'make storm-mutations faults of others put back, one at a time: the storm has to find each'
	@echo 'make matrix          every stage of a call and everything that can end it, as a table'
	@echo 'make bench-parse   what reading a message costs, beside libosip2 and sofia-sip'
	@echo 'make fuzz P=sip_msg [T=60]   libFuzzer on one entry, T seconds'
	@echo 'make format     clang-format the tree;  make tidy: clang-tidy it'
	@echo 'make cover      unit tests with coverage'
	@echo 'make SAN=address,undefined TARGET    with sanitizers;  make CC=clang TARGET  with clang'

-include $(shell find $(BUILD)/obj -name '*.d' 2>/dev/null)
