package results

import (
	"context"
	"os"
	"path/filepath"
	"runtime/debug"
	"testing"
)

func TestTheEnvironmentOfThisMachineIsFoundAndNothingIsLeft(t *testing.T) {
	dir := t.TempDir()
	e := CollectEnv(context.Background(), dir)
	if e.DiskSyncN < syncLeast || e.DiskSyncP50 <= 0 || e.DiskSyncP99 < e.DiskSyncP50 || e.TimerCost <= 0 {
		t.Errorf("measured %d syncs, %v and %v, timer %v", e.DiskSyncN, e.DiskSyncP50, e.DiskSyncP99, e.TimerCost)
	}
	if e.Kernel == unknown || e.MemBytes <= 0 || e.LoadAvg < 0 || e.FileSystem == unknown || e.Cores < 1 || e.GOGC == unknown || e.GOMEMLIM == unknown {
		t.Errorf("%+v", e)
	}
	if name, err := os.Hostname(); err == nil && e.Host == name {
		t.Error("the host is named")
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
}

func TestAnAbsentDirectoryOrAnEndedContextIsNoFailure(t *testing.T) {
	if e := CollectEnv(context.Background(), filepath.Join(t.TempDir(), "absent")); e.DiskSyncN != 0 || e.FileSystem != unknown {
		t.Errorf("%d syncs on %s", e.DiskSyncN, e.FileSystem)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if e := CollectEnv(ctx, t.TempDir()); e.DiskSyncN != 0 {
		t.Errorf("%d syncs after the end", e.DiskSyncN)
	}
}

func TestTheFileSystemOfADirectoryIsThatOfTheNearestMount(t *testing.T) {
	const info = `27 1 254:1 / / rw,relatime shared:1 - ext4 /dev/vda1 rw,data=ordered
31 27 259:2 / /mnt/a\040b rw,noatime master:3 - xfs /dev/nvme0n1p2 rw,attr2,logdev=/dev/sdz
30 27 0:30 / /mnt rw,nosuid - tmpfs tmpfs rw,size=1g
32 27 0:40 / /net rw - nfs4 server:/export rw,vers=4.2,addr=10.0.0.1,clientaddr=10.0.0.2
garbage
`
	for dir, want := range map[string]mount{
		"/var/x":     {"/", "254:1", "ext4", "rw,relatime,data=ordered"},
		"/mnt/a b/c": {"/mnt/a b", "259:2", "xfs", "rw,noatime,attr2"},
		"/mnt/abc":   {"/mnt", "0:30", "tmpfs", "rw,nosuid,size=1g"},
		"/net/x":     {"/net", "0:40", "nfs4", "rw,vers=4.2"},
	} {
		if got, ok := mountOf(info, dir); !ok || got != want {
			t.Errorf("%s: %+v, want %+v", dir, got, want)
		}
	}
	if _, ok := mountOf("", "/"); ok {
		t.Error("found a mount in nothing")
	}
}

func files(m map[string]string) hostFiles {
	return hostFiles{func(name string) string { return m[filepath.Clean(name)] }}
}

func TestTheTightestLimitOnTheWayToTheRootCounts(t *testing.T) {
	for name, c := range map[string]struct {
		files    map[string]string
		cpu, mem string
	}{
		"version 2": {map[string]string{
			"/proc/self/cgroup":             "0::/a/b",
			"/sys/fs/cgroup/a/b/cpu.max":    "max 100000",
			"/sys/fs/cgroup/a/cpu.max":      "150000 100000",
			"/sys/fs/cgroup/a/memory.max":   "max",
			"/sys/fs/cgroup/a/b/memory.max": "1048576",
		}, "1.50 cores", "1048576 bytes"},
		"version 1": {map[string]string{
			"/proc/self/cgroup":                             "4:memory:/m\n1:cpu,cpuacct:/",
			"/sys/fs/cgroup/cpu/cpu.cfs_quota_us":           "-1",
			"/sys/fs/cgroup/cpu/cpu.cfs_period_us":          "100000",
			"/sys/fs/cgroup/memory/m/memory.limit_in_bytes": "2097152",
			"/sys/fs/cgroup/memory/memory.limit_in_bytes":   "9223372036854771712",
		}, noLimit, "2097152 bytes"},
		"nothing told": {nil, unknown, unknown},
	} {
		if cpu, mem := files(c.files).limits(); cpu != c.cpu || mem != c.mem {
			t.Errorf("%s: %s, %s", name, cpu, mem)
		}
	}
}

func TestADeviceIsDescribedByItsWholeDisk(t *testing.T) {
	h := files(map[string]string{
		"/sys/dev/block/259:2/uevent":      "MAJOR=259\nDEVNAME=nvme0n1p2",
		"/sys/dev/block/259:2/partition":   "2",
		"/sys/dev/block/device/model":      "Fast 1000",
		"/sys/dev/block/queue/rotational":  "0",
		"/sys/dev/block/queue/write_cache": "write back",
		"/sys/dev/block/queue/scheduler":   "mq-deadline [none]",
	})
	if got, want := h.device(mount{device: "259:2"}), "nvme0n1p2, Fast 1000, not rotational, write back cache, scheduler none"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got := h.device(mount{device: "0:30", fsType: "tmpfs"}); got != "tmpfs, no block device" {
		t.Errorf("got %s", got)
	}
}

func TestTheCommitIsWhatTheBuildWasStampedWith(t *testing.T) {
	info := &debug.BuildInfo{
		Settings: []debug.BuildSetting{{Key: "vcs.revision", Value: "abc"}, {Key: "vcs.modified", Value: "true"}},
		Deps:     []*debug.Module{{Path: "x", Version: "v1"}, {Path: "y", Version: "v2", Replace: &debug.Module{Version: "v3"}}},
	}
	commit, mods := buildOf(info)
	if commit != "abc+dirty" || mods["x"] != "v1" || mods["y"] != "v2 replaced by v3" {
		t.Errorf("%s %v", commit, mods)
	}
	if commit, _ := buildOf(&debug.BuildInfo{}); commit != unknown {
		t.Errorf("unstamped: %s", commit)
	}
}
