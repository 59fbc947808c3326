# Everything a newcomer needs: make build, make test, make demo. Debian packages that are missing are installed.

SWIFT ?= swift
# Scenarios that must pass for every change, two at a time: the next machine that is free takes the next one, so the
# longest come first.
SCENARIOS ?= ipsec queue faults reconcile flood bond life bypass-lists privileges legs lacking quota \
	bypass pins limits policies diagnose radius colouring addresses resolve reload rtt mtu-ipv6 failover mtu \
	cost hello-states relay forged ipsec-numbers events metrics names hostile-dhcp drain topology deployed
# What fills the tables of docs/performance.md and docs/never-worse.md: the longest first, too.
MEASUREMENTS ?= many grid cells quick bond-city bond-ipv6 cost programming idle
OUT ?= lab/out

comma := ,
say = @printf '\n== %s\n' "$(1)"

.PHONY: build static deb test tests unit kernel lab size demo bench page fuzz smoke clean packages

build: packages
	$(call say,building the release (.build/release/spillway))
	$(SWIFT) build -c release --product spillway

static: packages
	$(call say,building what is shipped (.build/static/spillway))
	deploy/static/build

deb: packages
	$(call say,building the Debian package)
	deploy/debian/build

# Two processors: two builds at once, as one leaves a third of them idle; then what has one thread for most of its time, as
# soon as what it needs is built; then the scenarios, two at a time.
test: packages
	$(MAKE) --no-print-directory -j2 tests static kernel unit smoke size
	$(MAKE) --no-print-directory lab

# Debug information beyond line numbers is for debuggers, and takes the compiler time, as do modules in several batches.
tests: packages
	$(call say,building the unit tests)
	$(SWIFT) build --build-tests -Xswiftc -gline-tables-only -Xswiftc -driver-batch-count -Xswiftc 1

unit: tests
	$(call say,running the unit tests)
	scheduler/build --check
	web/build --check
	deploy/man/build --check
	promtool check rules deploy/prometheus/spillway.rules.yml
	$(SWIFT) test --skip-build
	deploy/openwrt/check

# The tests by themselves: `swift test` would read and compile the package's description there, for a minute.
kernel: tests
	$(call say,running the tests that need a real kernel$(comma) those of suites named …KernelTests)
	lab/vm-exec --timeout 1800 --env SPILLWAY_KERNEL_TESTS=1 \
		.build/debug/spillwayPackageTests.xctest --testing-library swift-testing --filter KernelTests

lab: static
	$(call say,running in the lab what is shipped: $(SCENARIOS))
	SPILLWAY_BINARY=$(CURDIR)/.build/static/spillway lab/run --json --jobs 2 --timeout 2400 --out $(OUT) $(SCENARIOS)

size: static
	$(call say,comparing what is shipped with its budget)
	lab/size

demo: build
	$(call say,DSL alone$(comma) the bond down and up; and one download while legs fail and come back)
	lab/run --jobs 2 --out $(OUT) bond demo
	lab/demo.py $(OUT) $(OUT)/demo.svg

bench: static
	$(call say,messages and packets against something simpler)
	$(SWIFT) run -c release --package-path bench bench
	$(call say,on the virtual clock$(comma) an hour and a half: $(MEASUREMENTS))
	SPILLWAY_BINARY=$(CURDIR)/.build/static/spillway lab/run --json --jobs 2 --timeout 14400 --out $(OUT) $(MEASUREMENTS)
	$(call say,tables and pictures: $(OUT)/*/*.md and $(OUT)/*/*.svg)

page: build
	$(call say,the page in Chromium$(comma) the dashboard's questions to Prometheus$(comma) and spillway top in a terminal)
	lab/run --json --out $(OUT) page top

fuzz: packages
	$(call say,feeding the decoders and the session machines what no peer should send)
	fuzz/run

smoke: packages
	$(call say,feeding the decoders and session machines what no peer should send$(comma) shortly)
	fuzz/run --smoke

clean:
	$(call say,removing what was built or recorded; the lab's kernel stays in lab/.cache)
	rm -rf .build bench/.build lab/out

packages:
	$(call say,checking Debian packages)
	lab/install
