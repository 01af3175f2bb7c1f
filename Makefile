# Everything that a change has to pass, with no set-up beyond Go and gcc (for the race detector).
GO          ?= go
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
FUZZTIME    ?= 2000x

.PHONY: test check unit long sim faults fuzz diff smoke bench figures mutants soak

# What waits for disks, processes and clocks goes on side by side; what measures has the machine to itself.
test:
	$(MAKE) check
	$(MAKE) unit
	$(MAKE) -j3 --output-sync=target long faults diff sim fuzz
	$(MAKE) smoke

# Formatting, vet, staticcheck.
check:
	@bad=$$(gofmt -l $$(git ls-files '*.go')); if [ -n "$$bad" ]; then echo "not formatted (gofmt -w):"; echo "$$bad"; exit 1; fi
	$(GO) vet ./...
	$(GO) run $(STATICCHECK) ./...

# All tests under the race detector.
unit:
	$(GO) test -race -short -timeout 20m ./...

# The stores' crashes, faults and full disks at full length.
long:
	$(GO) test -timeout 20m ./engine/... ./engines/... ./mvcc/... ./raft/...

# Ten thousand schedules of Raft groups in the simulator; SEEDS=n runs more or less of them.
# Then whole clusters with their state machines, CLUSTERS seeds, about a minute.
SEEDS       ?= 10000
CLUSTERS    ?= 600
sim:
	ETALON_SEEDS=$(SEEDS) $(GO) test -count=1 -run '^TestSafetyUnderFaults$$' -v -timeout 20m ./raft/raftsim
	ETALON_SEEDS=$(CLUSTERS) $(GO) test -count=1 -v -timeout 20m ./replica/replicasim

# Clusters of real processes under faults, each engine and all together, FAULTS seconds each, two minutes with 12, and as
# long for bad starts and disks. FAULTTEST_SEED=n repeats a run's faults; FAULTTEST_ETALON names a binary that is there.
FAULTS      ?= 12
faults:
	FAULTTEST_SECONDS=$(FAULTS) $(GO) test -count=1 -run '^TestFaults$$|^TestBadStarts$$|^TestBadDisks$$|^TestCorruptMember$$' -v -timeout 30m ./server/faulttest

# The simulator on every mutant: its kill rate and the survivors. Takes up to an hour.
mutants:
	ETALON_MUTANTS=1000 $(GO) test -count=1 -run '^TestMutants$$' -v -timeout 120m ./raft/raftsim

# More seeds than anybody has run yet, noted in raft/raftsim/testdata/soak.txt; goes on where the last one stopped.
# Then SOAK_CLUSTERS seeds of whole clusters, from SOAK_FROM on, and clusters of processes under faults, for
# SOAK_FAULTS seconds, a minute each in turn; at last all of etcdctl, with its check that writes for a minute.
SOAK        ?= 200000
SOAK_FAULTS ?= 3600
SOAK_FROM   ?= 1
SOAK_CLUSTERS ?= 20000
soak:
	ETALON_SOAK=$(SOAK) ETALON_COMMIT=$$(git rev-parse --short HEAD) $(GO) test -count=1 -run '^TestSoak$$' -v -timeout 24h ./raft/raftsim
	ETALON_SEED=$(SOAK_FROM) ETALON_SEEDS=$(SOAK_CLUSTERS) $(GO) test -count=1 -run '^TestClustersUnderFaults$$' -v -timeout 24h ./replica/replicasim
	FAULTTEST_SOAK=$(SOAK_FAULTS) FAULTTEST_SECONDS=60 $(GO) test -count=1 -run '^TestFaults$$' -v -timeout 24h ./server/faulttest
	cd server/difftest && DIFFTEST_PERF=1 $(GO) test -count=1 -run '^TestEtcdctl$$' -timeout 15m ./...

# Every fuzz target for a moment; a longer hunt: make fuzz FUZZTIME=10m.
fuzz:
	GO="$(GO)" FUZZTIME="$(FUZZTIME)" bash scripts/fuzz.sh

# The same requests to Etalon and to a real etcd, which is built from its published module, and etcdctl on
# clusters of both: the same answers demanded. 20,000 random requests; the first build of etcd takes a minute.
diff:
	cd server/difftest && $(GO) vet ./... && $(GO) test -count=1 -timeout 15m ./...

# The main job for real, the harness's proof of itself, and a look at what they leave.
smoke:
	GO="$(GO)" bash scripts/smoke.sh

bench:
	$(GO) test -run '^$$' -bench . -benchmem ./engines/... ./bench/...

# The figures that docs/methodology.md promises.
figures:
	bash scripts/figures.sh
