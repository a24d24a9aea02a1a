# Holdfast. Needs Debian 12, git and make; installs the rest itself (deploy/packages).
#
#   make [all]   programs in build/bin, modules and libraries in build/lib
#   make run     all, then a whole cluster from deploy/examples/quickstart.yaml
#   make test    unit, scenario, store, fuzz corpus, simulation and cluster tests
#                T=lib/http: only tests whose path contains that (and no simulation)
#   make asan | tsan          the tests under ASan + UBSan, or TSan
#   make sim SEED=n | SEEDS=n one seed, or seeds 1..n
#   make fuzz SECONDS=600 TARGET=name    libFuzzer; all targets without TARGET
#   make format  lays out all sources, with T=lib/http those whose path contains that
#   make bench | tidy | install (PREFIX, DESTDIR) | deps | clean
#   V=1 shows commands, JOBS=n builds n at a time, BUILD=dir builds elsewhere.
#
# Files are found by wildcard:
#   D/*.c and D/*/*.c of each directory in UNITS -> one archive per directory, without
#     *_test.c and mains. main.c and *_main.c -> programs, once they exist.
#   worker/modules/*.c -> build/lib/holdfast/*.so
#   *_test.c -> build/tests/<path>, linked to what its layer may see (see sees below);
#     those in tests/ and fuzz targets to what they include.
#   tests/D/*.c that are no test -> an archive for the tests and mains of that directory;
#     tests/D/*_main.c -> build/tests/tests/D/*_main, helper programs of tests.
#   tests/fuzz/fuzz_NAME.c -> libFuzzer target and, in make test, a replay of
#     tests/fuzz/corpus/NAME.
#   tests/fault/*.c -> build/tests/fault/*.so, preloaded by tests to make calls fail.
#   tests/cluster/*.sh and *.py -> scripts, run in order; each prints PASS, FAIL or SKIP.

MODE ?= release
BUILD ?= build
PREFIX ?= /usr/local
OBJ := $(BUILD)/$(MODE)/obj
OUT := $(if $(filter release,$(MODE)),$(BUILD),$(BUILD)/$(MODE))
VECTORS ?= ../shared/vectors
SEEDS ?= 200
SECONDS ?= 600
export VECTORS

.DEFAULT_GOAL := all
.SECONDARY:
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules
JOBS ?= $(shell nproc)
ifeq ($(MAKELEVEL),0)
MAKEFLAGS += -j$(JOBS) -Otarget
endif

# ---- flags
CC := $(if $(filter fuzz,$(MODE)),clang,gcc)
SANITIZE_asan := -fsanitize=address,undefined -fno-sanitize-recover=undefined
SANITIZE_tsan := -fsanitize=thread
SANITIZE_fuzz := -fsanitize=fuzzer-no-link,address,undefined \
    -fno-sanitize-recover=undefined
SANITIZE := $(SANITIZE_$(MODE))
HARDEN := -fstack-protector-strong -fstack-clash-protection
HARDEN += $(if $(SANITIZE),-fno-omit-frame-pointer,-D_FORTIFY_SOURCE=2)
# Programs are optimised across files: the small functions of lib/base are everywhere.
# Tests link the same objects as they are, which takes a tenth of the time.
LTO := $(if $(filter release,$(MODE)),-flto=auto -ffat-lto-objects)
BASE_CFLAGS := -std=c11 -D_GNU_SOURCE -O$(if $(LTO),3,2) -g -fPIC -fno-semantic-interposition \
    -pthread $(HARDEN) $(SANITIZE) $(LTO)
WARN := -Wall -Wextra -Wconversion -Wshadow -Wvla -Wstrict-prototypes \
    $(if $(filter fuzz,$(MODE)),,-Werror)
CFLAGS = $(BASE_CFLAGS) $(WARN) -I. $(EXTRA)
LDFLAGS := -pthread -pie -Wl,-z,relro,-z,now -Wl,--as-needed $(SANITIZE) -fno-lto
LIBS := -lsodium -llmdb -lprotobuf-c -luv -lcurl -ljansson -lyaml -lseccomp -ldl

, := ,
Q := $(if $(V),,@)
say = $(if $(V),,@echo "  $(1) $(2)";)

# ---- sources
UNITS := lib/base lib/http lib/token lib/wire lib/io \
    frontend/core broker/core controller/core worker/core \
    frontend broker controller controller/cli worker
TEST_UNITS := $(filter-out tests/fuzz tests/fault tests/tidy tests/run tests/cluster/%, \
    $(patsubst %/,%,$(sort $(dir $(wildcard tests/*/*.c)))))

mains = $(filter %/main.c %_main.c,$(1))
not_code = $(filter %/main.c %_main.c %_test.c,$(1))
inner = $(filter $(1)/core/% $(1)/cli/% $(1)/modules/% $(1)/include/%,$(2))
files = $(sort $(wildcard $(1)/*.c $(1)/*/*.c))
own = $(filter-out $(call inner,$(1),$(call files,$(1))),$(call files,$(1)))
code = $(filter-out $(call not_code,$(call own,$(1))),$(call own,$(1)))
objs = $(patsubst %.c,$(OBJ)/%.o,$(1))
archive = $(patsubst %,$(OBJ)/%.a,$(1))

UNITS := $(foreach u,$(UNITS),$(if $(call code,$(u)),$(u)))
ALL_LIBS := $(filter lib/%,$(UNITS))
TESTS := $(foreach u,$(UNITS) $(TEST_UNITS),$(filter %_test.c,$(call own,$(u))))
MODULES := $(wildcard worker/modules/*.c)
FUZZ := $(sort $(wildcard tests/fuzz/fuzz_*.c))
SCRIPTS := $(sort $(wildcard tests/cluster/*.sh tests/cluster/*.py))
HAS_LLHTTP := $(filter lib/http,$(UNITS))
PROTO := $(wildcard proto/holdfast.proto)
GEN := $(BUILD)/gen/proto

# What the code and tests of a directory may be linked with: its own layer and below.
sees_lib/base := lib/base
sees_lib/http := lib/http lib/base
sees_lib/wire := lib/wire lib/base
sees_lib/token := lib/token lib/wire lib/base
sees_lib/io := $(ALL_LIBS)
sees_frontend/core := frontend/core lib/base
sees_broker/core := broker/core lib/base
sees_controller/core := controller/core lib/base
sees_worker/core := worker/core lib/base
sees_frontend := frontend frontend/core $(ALL_LIBS)
sees_broker := broker broker/core $(ALL_LIBS)
sees_controller := controller controller/core $(ALL_LIBS)
sees_controller/cli := controller/cli controller controller/core $(ALL_LIBS)
sees_worker := worker worker/core $(ALL_LIBS)
# Tests elsewhere are linked with what they include and what that may see.
uses = $(sort $(patsubst %/,%,$(dir $(shell \
    sed -n 's/^\#include "\([a-z].*\)"/\1/p' $(1)))) lib/base)
$(foreach u,$(TEST_UNITS),$(eval uses_$(u) := $(u) $(call uses,$(wildcard $(u)/*.[ch]))))
$(foreach u,$(TEST_UNITS),$(eval sees_$(u) := $(sort $(uses_$(u)) \
    $(foreach d,$(uses_$(u)),$(sees_$(d)) $(uses_$(d)) \
    $(foreach e,$(uses_$(d)),$(sees_$(e)))))))
coded = $(foreach u,$(filter $(UNITS) $(TEST_UNITS),$(1)),$(if $(call code,$(u)),$(u)))
sees = $(call archive,$(call coded,$(sees_$(1))))
third = $(if $(HAS_LLHTTP),$(OBJ)/llhttp.a)
link = $(CC) $(LDFLAGS) $(3) -o $@.$$$$ $(1) -Wl,--start-group $(2) -Wl,--end-group \
    $(LIBS) $(4) && mv $@.$$$$ $@

# ---- goals
PROGRAMS :=
.PHONY: all programs tests run test sim fuzz bench tidy format asan tsan install deps \
    deps-test clean FORCE
all: programs

deps: $(BUILD)/deps.stamp
deps-test: $(BUILD)/deps-test.stamp

$(BUILD)/deps.stamp: deploy/packages deploy/install-packages
	@mkdir -p $(@D)
	@deploy/install-packages build
	@touch $@

$(BUILD)/deps-test.stamp: deploy/packages deploy/install-packages \
    | $(BUILD)/deps.stamp
	@mkdir -p $(@D)
	@deploy/install-packages build test
	@touch $@

# ---- what other packages give
LLHTTP := $(BUILD)/llhttp/usr/share
$(BUILD)/llhttp.stamp: deploy/extract-llhttp | $(BUILD)/deps.stamp
	$(call say,GET,llhttp)deploy/extract-llhttp $(BUILD)/llhttp
	@touch $@

$(OBJ)/llhttp.a: $(BUILD)/llhttp.stamp
	$(call say,CC ,llhttp)mkdir -p $(OBJ)/llhttp && for f in llhttp api http; do \
	    $(CC) $(BASE_CFLAGS) -w -DLLHTTP_STRICT_MODE=1 -I$(LLHTTP)/include/llhttp \
	    -c $(LLHTTP)/llhttp/$$f.c -o $(OBJ)/llhttp/$$f.o || exit 1; done
	@rm -f $@ && ar rcs $@ $(OBJ)/llhttp/*.o

ifneq ($(PROTO),)
$(GEN)/holdfast.pb-c.stamp: $(PROTO) | $(BUILD)/deps.stamp
	$(call say,GEN,$<)mkdir -p $(GEN) && protoc-c --proto_path=proto \
	    --c_out=$(GEN) $(notdir $<)
	@touch $@

$(GEN)/holdfast.pb-c.c $(GEN)/holdfast.pb-c.h: $(GEN)/holdfast.pb-c.stamp ;
$(OBJ)/gen/holdfast.pb-c.o: $(GEN)/holdfast.pb-c.stamp
	$(call say,CC ,$(GEN)/holdfast.pb-c.c)mkdir -p $(@D) && $(CC) $(BASE_CFLAGS) -w \
	    -I$(GEN) -c $(GEN)/holdfast.pb-c.c -o $@
$(OBJ)/lib/wire.a: $(OBJ)/gen/holdfast.pb-c.o
$(OBJ)/lib/wire/%.o: | $(GEN)/holdfast.pb-c.stamp
endif

# ---- objects and archives
$(OBJ)/lib/http/%.o: EXTRA = -isystem $(LLHTTP)/include/llhttp
$(OBJ)/lib/http/%.o: | $(BUILD)/llhttp.stamp
$(OBJ)/lib/wire/%.o: EXTRA = -isystem $(GEN)
$(OBJ)/worker/%.o $(OBJ)/tests/%.o: EXTRA = -Iworker/include
# A fuzz target is interested in what a parser does, not in its verdict.
$(OBJ)/tests/fuzz/%.o: EXTRA = -Wno-unused-result

define compile
$(call say,CC ,$<)mkdir -p $(@D) && $(CC) $(CFLAGS) -MMD -MP -MT $@ -MF $(@:.o=.d) \
    -c $< -o $@.$$$$.o && mv $@.$$$$.o $@
endef
$(OBJ)/lib/http/%.o: lib/http/%.c Makefile | $(BUILD)/deps.stamp $(BUILD)/llhttp.stamp
	$(compile)
$(OBJ)/lib/wire/%.o: lib/wire/%.c Makefile | $(BUILD)/deps.stamp \
    $(if $(PROTO),$(GEN)/holdfast.pb-c.stamp)
	$(compile)
$(OBJ)/tests/%.o: tests/%.c Makefile | $(BUILD)/deps-test.stamp
	$(compile)
$(OBJ)/%_test.o: %_test.c Makefile | $(BUILD)/deps-test.stamp
	$(compile)
$(OBJ)/%.o: %.c Makefile | $(BUILD)/deps.stamp
	$(compile)

define make_archive
$(call archive,$(1)): $(call objs,$(call code,$(1)))
	$$(call say,AR ,$$@)rm -f $$@.tmp && ar rcs $$@.tmp $$(filter %.o,$$^) && \
	    mv $$@.tmp $$@
endef
$(foreach u,$(UNITS) $(TEST_UNITS),$(if $(call code,$(u)),$(eval $(call make_archive,$(u)))))

# ---- programs: name, main, directory
define make_program
ifneq ($(wildcard $(2)),)
PROGRAMS += $(OUT)/bin/$(1)
$(OUT)/bin/$(1): $(call objs,$(2)) $(call sees,$(3)) $(third)
	$$(call say,LD ,$$@)mkdir -p $$(@D) && $$(call link,$(call objs,$(2)),\
	    $$(filter %.a,$$^),$(4) $(LTO))
endif
endef
# Handler modules call the worker library in the program (worker/module.c names it all).
WHOLE := -rdynamic
$(eval $(call make_program,holdfast-frontend,frontend/main.c,frontend))
$(eval $(call make_program,holdfast-broker,broker/main.c,broker))
$(eval $(call make_program,holdfast-controller,controller/main.c,controller))
$(eval $(call make_program,holdfast-mint,controller/mint_main.c,controller))
$(eval $(call make_program,holdfast-spawner,controller/spawner_main.c,controller))
$(eval $(call make_program,holdfast-worker,worker/main.c,worker,$(WHOLE)))
$(eval $(call make_program,holdfast,controller/cli/main.c,controller/cli))
$(eval $(call make_program,holdfast-sim,tests/sim/main.c,tests/sim))

# ---- the worker library: WORKER_LIB are the sources of worker/ that belong to it
WORKER_API := $(wildcard worker/include/holdfast/worker.h)
WORKER_LIB ?= $(filter-out worker/bridge% worker/module% worker/app%,\
    $(call code,worker))
WORKER_OBJS := $(call objs,$(if $(WORKER_API),$(WORKER_LIB)))
ifneq ($(WORKER_OBJS),)
WORKER_BELOW := $(call archive,$(filter worker/core lib/%,$(UNITS))) $(third)
LIBRARIES := $(OUT)/lib/libholdfast-worker.so.1 $(OUT)/lib/libholdfast-worker.a \
    $(OUT)/lib/pkgconfig/holdfast-worker.pc
$(OUT)/lib/libholdfast-worker.so.1: $(WORKER_OBJS) $(WORKER_BELOW)
	$(call say,LD ,$@)mkdir -p $(@D) && $(CC) -shared $(filter-out -pie,$(LDFLAGS)) \
	    -Wl,-soname,$(@F) -Wl,--exclude-libs,ALL $(if $(SANITIZE),,-Wl,-z,defs) -o $@ \
	    $(WORKER_OBJS) -Wl,--start-group $(WORKER_BELOW) -Wl,--end-group $(LIBS)
	@ln -sf $(@F) $(@:.1=)
$(OUT)/lib/libholdfast-worker.a: $(WORKER_OBJS) $(WORKER_BELOW)
	$(call say,AR ,$@)mkdir -p $(@D) && rm -f $@ && { echo "create $@"; \
	    echo "addmod $(WORKER_OBJS)" | tr ' ' ,  | sed 's/,/ /'; \
	    for a in $(WORKER_BELOW); do echo "addlib $$a"; done; \
	    echo save; echo end; } | ar -M && strip -R '.gnu.*lto_*' $@
$(OUT)/lib/pkgconfig/holdfast-worker.pc: Makefile
	@mkdir -p $(@D)
	@printf '%s\n' 'prefix=$(PREFIX)' 'libdir=$${prefix}/lib' \
	    'includedir=$${prefix}/include' '' 'Name: holdfast-worker' \
	    'Description: workers that answer HTTP requests held by Holdfast' \
	    'Version: 0.1.0' 'Cflags: -I$${includedir}' \
	    'Libs: -L$${libdir} -lholdfast-worker' \
	    'Libs.private: -pthread $(LIBS)' > $@
endif

MODULE_SOS := $(patsubst worker/modules/%.c,$(OUT)/lib/holdfast/%.so,$(MODULES))
$(OUT)/lib/holdfast/%.so: $(OBJ)/worker/modules/%.o
	$(call say,LD ,$@)mkdir -p $(@D) && $(CC) -shared -Wl,-z,relro,-z,now $(SANITIZE) \
	    -o $@ $<

programs: $(PROGRAMS) $(LIBRARIES) $(MODULE_SOS)

# ---- tests
TEST_BINS :=
define make_test
TEST_BINS += $(OUT)/tests/$(1:.c=)
$(OUT)/tests/$(1:.c=): $(call objs,$(1)) $(call sees,$(2)) $(third)
	$$(call say,LD ,$$@)mkdir -p $$(@D) && $$(call link,$(call objs,$(1)),\
	    $$(filter %.a,$$^),,-lcmocka -lnng -lm)
endef
$(foreach u,$(UNITS) $(TEST_UNITS),$(foreach t,$(filter %_test.c,$(call own,$(u))),\
    $(eval $(call make_test,$(t),$(u)))))

TOOLS :=
define make_tool
TOOLS += $(OUT)/tests/$(1:.c=)
$(OUT)/tests/$(1:.c=): $(call objs,$(1)) $(call sees,$(2)) $(third)
	$$(call say,LD ,$$@)mkdir -p $$(@D) && $$(call link,$(call objs,$(1)),\
	    $$(filter %.a,$$^),,-lm)
endef
$(foreach u,$(TEST_UNITS),$(foreach t,$(filter %_main.c,$(call own,$(u))),\
    $(eval $(call make_tool,$(t),$(u)))))

FAULTS := $(patsubst tests/fault/%.c,$(OUT)/tests/fault/%.so,$(wildcard tests/fault/*.c))
TOOLS += $(FAULTS)
$(OUT)/tests/fault/%.so: tests/fault/%.c Makefile | $(BUILD)/deps-test.stamp
	$(call say,LD ,$@)mkdir -p $(@D) && $(CC) -std=c11 -D_GNU_SOURCE -O2 -fPIC $(WARN) \
	    -shared -o $@ $< -ldl

# A fuzz target is linked by libFuzzer in MODE=fuzz, otherwise by a driver that replays.
ENGINE := $(if $(filter fuzz,$(MODE)),,$(OBJ)/tests/fuzz/replay.o)
FUZZ_BINS := $(FUZZ:tests/fuzz/%.c=$(OUT)/tests/fuzz/%)
define make_fuzz
$(OUT)/tests/fuzz/$(1): $(OBJ)/tests/fuzz/$(1).o $(ENGINE) $(third) $(call archive,\
    $(call coded,$(sort $(foreach d,$(call uses,tests/fuzz/$(1).c),$(sees_$(d))))))
	$$(call say,LD ,$$@)mkdir -p $$(@D) && $$(call link,$$(filter %.o,$$^),\
	    $$(filter %.a,$$^),$(if $(ENGINE),,-fsanitize=fuzzer))
endef
$(foreach f,$(FUZZ:tests/fuzz/%.c=%),$(eval $(call make_fuzz,$(f))))

chosen = $(if $(T),$(findstring $(T),$(1)),yes)
CHOSEN := $(foreach t,$(patsubst $(OUT)/tests/%,%,$(TEST_BINS) $(FUZZ_BINS)),\
    $(if $(call chosen,$(t)),$(OUT)/tests/$(t)))
CHOSEN_SCRIPTS := $(foreach t,$(SCRIPTS),$(if $(call chosen,$(t)),$(t)))
SIM := $(if $(T),,$(filter %/holdfast-sim,$(PROGRAMS)))
NEEDS := $(if $(T),$(if $(CHOSEN_SCRIPTS),programs $(TOOLS)),programs $(TOOLS))
RUN_TESTS = tests/run/suite.py --mode $(MODE) --out $(OUT) --seeds $(SEEDS) \
    $(if $(SIM),--sim $(SIM)) --scripts "$(CHOSEN_SCRIPTS)" $(CHOSEN)

tests: $(BUILD)/deps-test.stamp $(CHOSEN) $(NEEDS)
test: tests
	@$(RUN_TESTS)

asan tsan:
	@$(MAKE) --no-print-directory MODE=$@ test

sim: $(filter %/holdfast-sim,$(PROGRAMS))
	$(Q)$(OUT)/bin/holdfast-sim $(if $(SEED),--seed $(SEED),--seeds $(SEEDS))

fuzz: $(BUILD)/deps-test.stamp
	@$(MAKE) --no-print-directory MODE=fuzz fuzz-run
.PHONY: fuzz-run
FUZZ_RUN := $(if $(TARGET),$(filter %/fuzz_$(TARGET:fuzz_%=%),$(FUZZ_BINS)),$(FUZZ_BINS))
fuzz-run: $(FUZZ_RUN)
	@tests/run/fuzz.sh $(SECONDS) $(FUZZ_RUN)

bench: $(BUILD)/deps-test.stamp programs $(TOOLS)
	@tests/bench/run

run: all
	$(Q)$(OUT)/bin/holdfast up deploy/examples/quickstart.yaml

# ---- style
SOURCES = $(foreach f,$(sort $(shell git ls-files -co --exclude-standard '*.c' '*.h')),\
    $(if $(call chosen,$(f)),$(f)))
tidy: $(BUILD)/deps-test.stamp $(BUILD)/llhttp.stamp \
    $(if $(PROTO),$(GEN)/holdfast.pb-c.stamp)
	@status=0; \
	tests/tidy/selftest.py || status=1; \
	tests/tidy/tidy.py --build $(BUILD) || status=1; \
	tests/tidy/format.sh $(SOURCES) || status=1; \
	exit $$status
format: $(BUILD)/deps-test.stamp
	@clang-format -i $(SOURCES)

# ---- installing
DEST = $(DESTDIR)$(PREFIX)
install: all
	install -d $(DEST)/bin $(DEST)/lib/holdfast $(DEST)/lib/pkgconfig \
	    $(DEST)/include/holdfast $(DEST)/share/doc/holdfast/examples
	for f in $(filter-out %/holdfast-sim,$(PROGRAMS)); do \
	    install -m 755 $$f $(DEST)/bin || exit 1; done
	for f in $(MODULE_SOS); do install -m 644 $$f $(DEST)/lib/holdfast || exit 1; done
	for f in $(filter %.so.1 %.a,$(LIBRARIES)); do \
	    install -m 644 $$f $(DEST)/lib || exit 1; done
	$(if $(LIBRARIES),ln -sf libholdfast-worker.so.1 $(DEST)/lib/libholdfast-worker.so)
	$(if $(LIBRARIES),install -m 644 $(filter %.pc,$(LIBRARIES)) $(DEST)/lib/pkgconfig)
	$(if $(WORKER_API),install -m 644 $(WORKER_API) $(DEST)/include/holdfast)
	for f in $(wildcard deploy/examples/*.yaml); do \
	    install -m 644 $$f $(DEST)/share/doc/holdfast/examples || exit 1; done
	for f in $(wildcard deploy/man/*.1 deploy/man/*.5 deploy/man/*.8); do \
	    d=$(DEST)/share/man/man$${f##*.}; install -d $$d && install -m 644 $$f $$d \
	    || exit 1; done

clean:
	rm -rf $(BUILD)

-include $(shell find $(OBJ) -name '*.d' 2>/dev/null)
