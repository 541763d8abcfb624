# SPDX-License-Identifier: MIT
# `make help` lists the targets and settings.

BUILD   ?= build
PREFIX  ?= /usr/local
DESTDIR ?=
CC      ?= gcc
ifeq ($(origin CC),default)
CC      := gcc
endif
CFLAGS  ?= -O2 -g
# SANITIZE=address,undefined (or thread, fuzzer-no-link, …) builds everything with these sanitizers.
SANITIZE ?=
# BPF=0 builds without the bpf backend; without its tools that is what happens.
bpf_tools    = command -v clang && PATH="$$PATH:/usr/sbin:/sbin" command -v bpftool && pkg-config --exists libbpf
BPF         ?= $(if $(shell { $(bpf_tools); } >/dev/null 2>&1 && echo yes),1,0)
# WERROR=1 makes warnings errors; `make check` sets it.
WERROR  ?=

VERSION := 0.1.0

# What a fresh Debian 12 needs to build and run, and on top of that to test.
BUILD_PACKAGES := gcc make pkg-config libc6-dev libpcap-dev libsystemd-dev libjson-c-dev libmnl-dev \
                  libsmartcols-dev libncurses-dev libxxhash-dev libinih-dev iproute2 clang bpftool libbpf-dev
TEST_PACKAGES  := libclang-rt-14-dev libcmocka-dev cppcheck dbus dbus-bin libglib2.0-bin systemd python3 \
                  python3-dbus python3-gi iperf3 curl nginx-light nftables tcpdump wireshark-common procps util-linux debootstrap \
                  systemd-container qemu-system-x86 e2fsprogs groff-base mandoc ethtool wrk debhelper dpkg-dev lintian \
                  zsh fish tmux
# What dbus/examples and those of its man page take to be built and run.
TEST_PACKAGES  += libgtk-4-dev gjs xvfb jq
# What `make analyze` needs beside, and `make valgrind`, which runs unit tests.
ANALYZE_PACKAGES := clang-tidy cppcheck libcmocka-dev libgtk-4-dev valgrind

# What `make bench` measures beside netflowd, and with; nothing else needs it.
BENCH_PACKAGES := dbus iperf3 curl nginx-light nftables tcpdump procps util-linux ethtool wrk python3 nethogs

LIBRARIES := libpcap libsystemd json-c libmnl smartcols ncursesw libxxhash inih $(if $(filter 1,$(BPF)),libbpf)
ifeq ($(filter help clean deps test-deps analyze-deps run check bench uninstall print-%,$(MAKECMDGOALS)),)
ifneq ($(shell pkg-config --exists $(LIBRARIES) && echo yes),yes)
$(error Libraries are missing: run `make deps` as root, or install $(BUILD_PACKAGES))
endif
endif

WARNINGS := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wold-style-definition \
            -Wformat=2 -Wundef -Wvla -Wpointer-arith -Wcast-align -Wwrite-strings -Wswitch-enum \
            -Wimplicit-fallthrough -Wnested-externs -Wredundant-decls -Wfloat-equal
# Vectors are for loops: two fields that were stored one by one and are loaded as one vector wait for each other, which
# costs a packet more than all else in decoding it.
ALL_CFLAGS = -std=gnu17 -fno-tree-slp-vectorize $(CFLAGS) $(WARNINGS) $(if $(WERROR),-Werror) \
             -fno-common -fstack-protector-strong \
             $(if $(SANITIZE),-fsanitize=$(SANITIZE) -fno-omit-frame-pointer -fno-sanitize-recover=all)
ALL_CPPFLAGS = -D_GNU_SOURCE -DNETFLOWD_VERSION='"$(VERSION)"' -DSBINDIR='"$(PREFIX)/sbin"' \
               $(if $(SANITIZE),,$(if $(filter -O0,$(CFLAGS)),,-D_FORTIFY_SOURCE=2)) -I. \
               $(shell pkg-config --cflags $(LIBRARIES)) $(CPPFLAGS)
ALL_LDFLAGS = $(if $(SANITIZE),-fsanitize=$(SANITIZE)) -Wl,--as-needed -Wl,-z,relro -Wl,-z,now $(LDFLAGS)

daemon_libs := $(shell pkg-config --libs libpcap libsystemd libmnl libxxhash inih \
                 $(if $(filter 1,$(BPF)),libbpf) 2>/dev/null) -lm
client_libs := $(shell pkg-config --libs libsystemd json-c smartcols ncursesw 2>/dev/null) -lm

# All of the daemon but main.c is one library: tests and fuzzers link exactly what ships. The client likewise.
not_built    := $(if $(filter 1,$(BPF)),daemon/source/bpf_source-fallback.c daemon/owner/bpf_owner-fallback.c,\
                  daemon/source/bpf_source.c daemon/source/bpf_programs.c daemon/kernel/bpf_cgroups.c \
                  daemon/owner/bpf_owner.c daemon/owner/owner_events.c daemon/kernel/bpf_load.c)
sources_in   = $(sort $(filter-out %/main.c $(not_built),$(wildcard $(1)/*.c $(1)/*/*.c)))
objects      = $(patsubst %.c,$(BUILD)/%.o,$(1))
shared_objs := $(call objects,$(wildcard dbus/*.c))
daemon_objs := $(call objects,$(call sources_in,daemon)) $(shared_objs)
client_objs := $(call objects,$(call sources_in,client)) $(shared_objs)
unit_srcs   := $(sort $(wildcard tests/unit/test-*.c))
unit_tests  := $(patsubst %.c,$(BUILD)/%,$(unit_srcs))
support_objs := $(call objects,$(sort $(wildcard tests/support/*.c)))
tool_tests  := $(patsubst %.c,$(BUILD)/%,$(sort $(wildcard tests/tools/*.c)))
# A sanitizer has an allocator of its own.
preloads    := $(if $(SANITIZE),,$(patsubst %.c,$(BUILD)/%.so,$(sort $(wildcard tests/preload/*.c))))
fuzz_objs   := $(call objects,$(sort $(filter-out tests/fuzz/fuzz-%,$(wildcard tests/fuzz/*.c))))
fuzzers     := $(patsubst %.c,$(BUILD)/%,$(sort $(wildcard tests/fuzz/fuzz-*.c)))

.PHONY: all check soak bench run deps test-deps bench-deps bench-tools tests fuzzers corpus analyze analyze-deps valgrind install uninstall clean help introspection format
.DELETE_ON_ERROR:
.SECONDARY:

all: $(BUILD)/netflowd $(BUILD)/netflowctl compile_commands.json

help:
	@echo 'make                 build netflowd and netflowctl into $(BUILD)/'
	@echo 'make run             (root) install what is needed, build, show the rank of this machine'
	@echo 'make check           (root) install what the tests need, build with gcc and clang, pass all tests'
	@echo 'make soak            (root) half an hour of everything coming and going; SECONDS= for less'
	@echo 'make bench           (root) measure it beside a bare libpcap loop, tcpdump and nethogs; BENCH=packets: that only'
	@echo 'make tests           build the unit tests;  $(BUILD)/tests/unit/test-… runs one'
	@echo 'make examples        build the applet in dbus/examples that is written in C (needs libgtk-4-dev)'
	@echo 'make fuzzers         build the fuzzers (CC=clang)'
	@echo 'make analyze         gcc -fanalyzer, clang-tidy and cppcheck; make valgrind: the unit tests in it'
	@echo 'make corpus          read all savefiles below SAVEFILES=FOLDER and compare with capinfos'
	@echo 'make install         into DESTDIR=$(DESTDIR) PREFIX=$(PREFIX);  make uninstall takes it out again'
	@echo 'make introspection   write the interface anew from the vtable: the XML and the page'
	@echo 'make clean           remove $(BUILD)/'
	@echo 'Settings: BUILD= CC= BPF=0 CFLAGS= SANITIZE=address,undefined WERROR=1 DESTDIR= PREFIX='

# --- settings are stamped: a changed flag rebuilds what it touches -------------------------------------------
$(BUILD)/settings: FORCE
	@mkdir -p $(@D)
	@printf '%s\n' '$(CC) $(subst ','\'',$(ALL_CFLAGS) $(ALL_CPPFLAGS) $(ALL_LDFLAGS))' | cmp -s - $@ || \
	  printf '%s\n' '$(CC) $(subst ','\'',$(ALL_CFLAGS) $(ALL_CPPFLAGS) $(ALL_LDFLAGS))' > $@
.PHONY: FORCE
FORCE:

$(BUILD)/%.o: %.c $(BUILD)/settings
	@mkdir -p $(@D)
	@echo '  CC      $@'
	@$(CC) $(ALL_CFLAGS) $(ALL_CPPFLAGS) $(if $(filter client/% dbus/%,$<),,-Idaemon) \
	  $(if $(filter tests/%,$<),-Itests -Iclient) -MD -MP -c -o $@ $<

# Programs for the kernel: compiled for its machine, without the debug information that only people read, and
# put into a header. What is left of it (BTF) is what lets them fit the kernel they are loaded into.
bpf_folder := daemon/source/bpf
bpf_headers := $(wildcard $(bpf_folder)/*.h)
BPF_CFLAGS := -g -O2 -mcpu=v3 -target bpf -Wall -Wextra -Werror -Wno-unused-parameter \
              -idirafter /usr/include/$(shell $(CC) -print-multiarch 2>/dev/null || $(CC) -dumpmachine)

$(BUILD)/%.bpf.o: %.bpf.c $(bpf_headers) $(BUILD)/settings
	@mkdir -p $(@D)
	@echo '  BPF     $@'
	@clang $(BPF_CFLAGS) -c -o $@.full $<
	@PATH="$$PATH:/usr/sbin:/sbin" bpftool gen object $@ $@.full
	@rm -f $@.full

$(BUILD)/%.skel.h: $(BUILD)/%.bpf.o
	@PATH="$$PATH:/usr/sbin:/sbin" bpftool gen skeleton $< name $(notdir $*)_bpf > $@

$(BUILD)/daemon/source/bpf_programs.o: $(BUILD)/$(bpf_folder)/account.skel.h
$(BUILD)/daemon/owner/owner_events.o: $(BUILD)/$(bpf_folder)/owners.skel.h
$(BUILD)/daemon/source/bpf_programs.o $(BUILD)/daemon/owner/owner_events.o: \
  ALL_CPPFLAGS += -isystem $(BUILD)/$(bpf_folder)

$(BUILD)/libnetflowd.a: $(daemon_objs)
$(BUILD)/libnetflowctl.a: $(client_objs)
$(BUILD)/lib%.a:
	@echo '  AR      $@'
	@rm -f $@ && ar rcs $@ $^

$(BUILD)/netflowd: $(BUILD)/daemon/main.o $(BUILD)/libnetflowd.a
	@echo '  LINK    $@'
	@$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $^ $(daemon_libs)

$(BUILD)/netflowctl: $(BUILD)/client/main.o $(BUILD)/libnetflowctl.a
	@echo '  LINK    $@'
	@$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $^ $(client_libs)

compile_commands.json: Makefile
	@printf '[\n' > $@
	@for f in $(call sources_in,daemon) daemon/main.c $(call sources_in,client) client/main.c $(wildcard dbus/*.c) $(unit_srcs); do \
	  printf '%s{"directory": "%s", "file": "%s", "command": "%s -std=gnu17 -D_GNU_SOURCE -I. -Idaemon -c %s"}' \
	    "$$sep" "$(CURDIR)" "$$f" "$(CC)" "$$f"; sep=',\n'; done | sed 's/,\\n/,\n/g' >> $@
	@printf '\n]\n' >> $@

# --- tests ----------------------------------------------------------------------------------------------------
tests: $(unit_tests) $(tool_tests) $(preloads)

bench-tools: $(BUILD)/tests/tools/flood $(BUILD)/tests/tools/pcap-loop

$(BUILD)/tests/unit/%: $(BUILD)/tests/unit/%.o $(support_objs) $(BUILD)/libnetflowd.a $(BUILD)/libnetflowctl.a
	@echo '  LINK    $@'
	@$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $^ $(daemon_libs) $(client_libs) -lcmocka

$(BUILD)/tests/tools/%: $(BUILD)/tests/tools/%.o $(BUILD)/libnetflowd.a
	@echo '  LINK    $@'
	@$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $^ $(daemon_libs)

$(BUILD)/tests/preload/%.so: tests/preload/%.c $(BUILD)/settings
	@mkdir -p $(@D)
	@echo '  LINK    $@'
	@$(CC) $(ALL_CFLAGS) $(ALL_CPPFLAGS) $(ALL_LDFLAGS) -fPIC -fno-builtin -shared -o $@ $<

fuzzers: $(fuzzers)
$(BUILD)/tests/fuzz/%: $(BUILD)/tests/fuzz/%.o $(fuzz_objs) $(BUILD)/libnetflowd.a $(BUILD)/libnetflowctl.a
	@echo '  LINK    $@'
	@$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -fsanitize=fuzzer -o $@ $^ $(daemon_libs) $(client_libs)

analyze: analyze-deps $(BUILD)/netflowd
	@tests/analyze $(BUILD)

valgrind: analyze-deps tests
	@tests/valgrind $(BUILD)

corpus: $(BUILD)/netflowd $(BUILD)/tests/tools/read-savefile
	@tests/savefiles.py $(BUILD) $(SAVEFILES)

missing = $(shell dpkg-query -W -f '$${Package} $${db:Status-Status}\n' 2>/dev/null | \
            awk -v want='$(1)' '$$2 == "installed" { have[$$1] = 1 } \
                                END { n = split(want, package, " "); \
                                      for (i = 1; i <= n; i++) if (!have[package[i]]) printf "%s ", package[i] }')
define apt_install
	@packages='$(call missing,$(1))'; \
	if [ -n "$$packages" ]; then \
	  command -v apt-get >/dev/null || { echo "not a Debian: install what it calls $$packages" >&2; exit 1; }; \
	  echo "installing: $$packages"; \
	  apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
	    $$packages >/dev/null; \
	fi
endef

deps:
	$(call apt_install,$(BUILD_PACKAGES))

# What tests/system puts into the Debian it makes.
print-%:
	@echo $($*)

test-deps:
	$(call apt_install,$(BUILD_PACKAGES) $(TEST_PACKAGES))

# A peer that cannot be had is left out: bench.py says so.
bench-deps: deps
	$(call apt_install,$(filter-out nethogs,$(BENCH_PACKAGES)))
	-$(call apt_install,$(filter nethogs,$(BENCH_PACKAGES)))

analyze-deps:
	$(call apt_install,$(BUILD_PACKAGES) $(ANALYZE_PACKAGES))

# Everything below runs in a make of its own: the libraries may only just have been installed.
run: deps
	@$(MAKE) --no-print-directory all
	@$(BUILD)/netflowctl rank --standalone --limit 5 --recent 5

check: test-deps
	@tests/check $(MAKE) $(BUILD)

# Everything coming and going for half an hour, as root.
soak: all
	@NETFLOWD_SOAK_SECONDS=$(or $(SECONDS),1800) tests/e2e/test_soak.py $(BUILD)

# BENCH= is for bench.py: points, --rounds N, --full.
bench: bench-deps
	@$(MAKE) --no-print-directory all bench-tools
	@tests/bench/bench.py $(BUILD) $(BENCH)

introspection: $(BUILD)/netflowd
	$(BUILD)/netflowd --bus-introspect > dbus/org.netflowd1.Manager.xml.new
	mv dbus/org.netflowd1.Manager.xml.new dbus/org.netflowd1.Manager.xml
	tests/manual.py --write-interface

format:
	clang-format -i $$(git ls-files '*.c' '*.h')

# What authors of applets copy; only panel.c is to be compiled. Warnings in the headers of GTK are not ours.
.PHONY: examples
examples: $(BUILD)/examples/panel
$(BUILD)/examples/%: dbus/examples/%.c $(BUILD)/settings
	@mkdir -p $(@D)
	@echo '  CC      $@'
	@$(CC) $(ALL_CFLAGS) $(patsubst -I%,-isystem %,$(shell pkg-config --cflags gtk4)) $(ALL_LDFLAGS) -MMD -MP -MF $@.d \
	  -o $@ $< $(shell pkg-config --libs gtk4)

# --- install --------------------------------------------------------------------------------------------------
# systemd(1) reads units and sysusers.d below /usr/local/lib as well as /usr/lib. The bus reads policies in
# /usr/share/dbus-1 and, for what does not come with a package, /etc/dbus-1; polkitd(8) only /usr/share/polkit-1.
UNIT_DIR     ?= $(PREFIX)/lib/systemd/system
SYSUSERS_DIR ?= $(PREFIX)/lib/sysusers.d
BUS_DIR      ?= $(PREFIX)/share/dbus-1
POLICY_DIR   ?= $(if $(filter /usr,$(PREFIX)),/usr/share,/etc)/dbus-1/system.d
POLKIT_DIR   ?= /usr/share/polkit-1/actions
MAN_DIR      ?= $(PREFIX)/share/man
EXAMPLES_DIR ?= $(PREFIX)/share/doc/netflowd/examples
examples     := $(sort $(wildcard dbus/examples/*))
manual_pages := $(sort $(wildcard $(foreach folder,daemon client dbus,$(folder)/*.[1-8])))

define newline


endef

# Where each shell looks for what is below PREFIX; zsh of Debian, below /usr, in vendor-completions.
BASH_DIR     ?= $(PREFIX)/share/bash-completion/completions
ZSH_DIR      ?= $(PREFIX)/share/zsh/$(if $(filter /usr,$(PREFIX)),vendor-completions,site-functions)
FISH_DIR     ?= $(PREFIX)/share/fish/vendor_completions.d
completions  := $(foreach program,netflowctl netflowd,$(foreach shell,bash zsh fish,$(BUILD)/completion/$(program).$(shell)))

# Folders that are not ours to remove, although they may be empty: what file-hierarchy(7) has, and the bus.
kept_folders := / /etc /usr $(addprefix $(PREFIX),/bin /sbin /lib /share /share/man) $(PREFIX) /etc/dbus-1/system.d

# Where the administrator's configuration is, whatever PREFIX is: the program looks nowhere else for it. As systemd's
# own files (and Debian's conffiles) it is there with all commented out, to be edited. Only dpkg(1) can tell an edited
# file from an old one, so that `install` leaves one that is there alone, and `uninstall` one that is not ours.
CONFIG_FILE  := /etc/netflowd/netflowd.conf

# One line a file: mode, what is installed, where. Under another name first: a bus that watches its folder reads a new
# file at once, and must not find it unreadable yet.
define installed_files
755 $(BUILD)/netflowd                    $(PREFIX)/sbin/netflowd
755 $(BUILD)/netflowctl                  $(PREFIX)/bin/netflowctl
644 $(BUILD)/netflowd.service            $(UNIT_DIR)/netflowd.service
644 systemd/sysusers.conf                $(SYSUSERS_DIR)/netflowd.conf
644 dbus/org.netflowd1.Manager.xml       $(BUS_DIR)/interfaces/org.netflowd1.Manager.xml
644 dbus/org.netflowd1.service           $(BUS_DIR)/system-services/org.netflowd1.service
644 dbus/org.netflowd1.conf              $(POLICY_DIR)/org.netflowd1.conf
644 dbus/org.netflowd1.policy            $(POLKIT_DIR)/org.netflowd1.policy\
$(foreach program,netflowctl netflowd,\
$(newline)644 $(BUILD)/completion/$(program).bash $(BASH_DIR)/$(program)\
$(newline)644 $(BUILD)/completion/$(program).zsh  $(ZSH_DIR)/_$(program)\
$(newline)644 $(BUILD)/completion/$(program).fish $(FISH_DIR)/$(program).fish)\
$(foreach example,$(examples),$(newline)644 $(example) $(EXAMPLES_DIR)/$(notdir $(example)))\
$(foreach page,$(manual_pages),$(newline)644 $(page) $(MAN_DIR)/man$(subst .,,$(suffix $(page)))/$(notdir $(page)))
endef
export installed_files

$(BUILD)/netflowd.service: systemd/netflowd.service.in $(BUILD)/settings
	@sed 's|@SBINDIR@|$(PREFIX)/sbin|' $< > $@

# Each program knows its own command line.
$(BUILD)/completion/netflowctl.%: $(BUILD)/netflowctl
	@mkdir -p $(@D)
	@$< --print-completion=$* > $@

$(BUILD)/completion/netflowd.%: $(BUILD)/netflowd
	@mkdir -p $(@D)
	@$< --print-completion=$* > $@

install: $(BUILD)/netflowd $(BUILD)/netflowctl $(BUILD)/netflowd.service $(completions)
ifeq ($(DESTDIR),)
	@systemd/before-install $(CURDIR)/systemd/sysusers.conf
endif
	@printf '%s\n' "$$installed_files" | while read -r mode file path; do \
	  echo "  INSTALL $(DESTDIR)$$path"; \
	  install -D -m "$$mode" "$$file" "$(DESTDIR)$$path.new" && \
	  mv "$(DESTDIR)$$path.new" "$(DESTDIR)$$path" || exit; done
	@test -e "$(DESTDIR)$(CONFIG_FILE)" || { echo "  INSTALL $(DESTDIR)$(CONFIG_FILE)"; \
	  install -D -m 644 systemd/netflowd.conf "$(DESTDIR)$(CONFIG_FILE)"; }
ifeq ($(DESTDIR),)
	@systemd/after-install
endif

uninstall:
ifeq ($(DESTDIR),)
	@systemd/before-uninstall
endif
	@printf '%s\n' "$$installed_files" | while read -r mode file path; do \
	  echo "  REMOVE  $(DESTDIR)$$path"; \
	  rm -f "$(DESTDIR)$$path" || exit; \
	  folder=$$(dirname "$$path"); \
	  while case " $(kept_folders) " in *" $$folder "*) false;; esac && rmdir "$(DESTDIR)$$folder" 2>/dev/null; do \
	    folder=$$(dirname "$$folder"); done; done
	@! cmp -s systemd/netflowd.conf "$(DESTDIR)$(CONFIG_FILE)" || { echo "  REMOVE  $(DESTDIR)$(CONFIG_FILE)"; \
	  rm -f "$(DESTDIR)$(CONFIG_FILE)"; rmdir "$(DESTDIR)$(dir $(CONFIG_FILE))" 2>/dev/null || true; }
ifeq ($(DESTDIR),)
	@systemd/after-uninstall
endif

clean:
	rm -rf $(BUILD) compile_commands.json

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
