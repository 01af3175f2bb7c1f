package plot

import (
	"os"
	"regexp"
	"testing"
)

func TestTheScriptsUseTheSameColours(t *testing.T) {
	for _, file := range []string{"plot.py", "plot.gnuplot"} {
		script, err := os.ReadFile("../../scripts/" + file)
		if err != nil {
			t.Fatal(err)
		}
		for _, engine := range []string{"mem", "bolt", "pebble", "badger", "etcd", "zookeeper"} {
			line := regexp.MustCompile(`(?m)^.*\b` + engine + `\b.*` + LookOf(engine).Hex())
			if !line.Match(script) {
				t.Errorf("%s has no line that gives %s the colour %s", file, engine, LookOf(engine).Hex())
			}
		}
	}
}
