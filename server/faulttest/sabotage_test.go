package faulttest

import (
	"os"
	"regexp"
	"testing"
	"time"
)

// sabotage is a way to break the server that the checks must find, by an error like finds.
type sabotage struct {
	name  string
	edits []edit
	finds string
}

var sabotages = []sabotage{
	{"acknowledged before the log is written", []edit{
		{"raft/wal/log.go", "import (\n", "import (\n\t\"time\"\n"},
		{"raft/wal/log.go", "func (l *Log) writeSectors(", "var late = make(chan func(), 1<<16)\n\nvar lateWriter = sync.OnceFunc(func() {\n\tgo func() {\n\t\tfor f := range late {\n\t\t\tf()\n\t\t}\n\t}()\n})\n\nfunc (l *Log) writeSectors("},
		{"raft/wal/log.go", "	if _, err := l.seg.file.WriteAt(l.image, n*sectorBytes); err != nil {\n\t\treturn fmt.Errorf(\"wal: write %s: %w\", l.seg.name, err)\n\t}\n",
			"	lateWriter()\n\tb, file, due := append([]byte(nil), l.image...), l.seg.file, time.Now().Add(60*time.Millisecond)\n\tlate <- func() {\n\t\ttime.Sleep(time.Until(due))\n\t\tfile.WriteAt(b, n*sectorBytes)\n\t}\n"},
	}, "was told that|watches differ|stale|behind|log lost|watches were told"},
	{"reads without asking the leader", []edit{
		{"replica/member.go", "	m.reads.queue = append(m.reads.queue, requests...)\n\tm.schedule(requests)", "	m.answered = append(m.answered, requests...)"},
	}, "stale|read key/"},
	{"a watch that is begun again misses a revision", []edit{
		{"server/watch.go", "StartRev: r.StartRevision, PrevKV: r.PrevKv}", "StartRev: r.StartRevision, PrevKV: r.PrevKv}\n\tif c.StartRev > 1 {\n\t\tc.StartRev++\n\t}"},
	}, "watches differ|was told that|porcupine|read key/"},
	{"a new leader forgets when leases were renewed", []edit{
		{"apply/lessor.go", "l.add(p, now, l.c.Extend)", "l.add(p, now.Add(-time.Second*time.Duration(p.TTL)), 0)"},
	}, "ended at least"},
	{"an entry is applied to another value at one member", []edit{
		{"apply/kv.go", "func (b *batch) doPut(p *Put) (prev *KeyValue, err error) {\n", "func (b *batch) doPut(p *Put) (prev *KeyValue, err error) {\n\tif len(p.Value) > 1 && p.Value[len(p.Value)-1] == '7' && time.Now().UnixNano()%64 == 0 {\n\t\tp.Value = []byte(\"forged\")\n\t}\n"},
		{"apply/kv.go", "import (\n", "import (\n\t\"time\"\n"},
	}, "watches differ|was told that|members differ|alarms|read key/|corrupt"},
}

func TestSabotagesFitTheCode(t *testing.T) {
	for _, s := range sabotages {
		overlay(t, t.TempDir(), s.edits)
		regexp.MustCompile(s.finds)
	}
}

// TestSabotageIsFound breaks the server in every known way and lets the trial look:
// FAULTTEST_SABOTAGE=n gives it n seeds for each, FAULTTEST_ONLY=pattern only those whose name matches.
func TestSabotageIsFound(t *testing.T) {
	seeds := setting(t, "FAULTTEST_SABOTAGE", 0)
	if seeds == 0 {
		t.Skip("FAULTTEST_SABOTAGE=n runs it with n seeds for each")
	}
	length := time.Duration(setting(t, "FAULTTEST_SECONDS", 20)) * time.Second
	only := regexp.MustCompile(os.Getenv("FAULTTEST_ONLY"))
	for _, s := range sabotages {
		if !only.MatchString(s.name) {
			continue
		}
		t.Run(s.name, func(t *testing.T) {
			broken := build(t, s.edits...)
			for seed := range seeds {
				r := &trial{dir: t.TempDir(), members: 3, trace: func(string, ...any) {}, argv: func(int) []string { return []string{broken, "serve", "--engine", "pebble"} }}
				err := r.survive(seed, length)
				switch {
				case err == nil:
					t.Logf("seed %d: not found: %v", seed, r)
				case !regexp.MustCompile(s.finds).MatchString(err.Error()):
					t.Fatalf("seed %d: found something else: %v\n%s", seed, err, r.logs())
				default:
					t.Logf("seed %d: %v", seed, err)
					return
				}
			}
			t.Error("not found: the checks are too weak")
		})
	}
}
