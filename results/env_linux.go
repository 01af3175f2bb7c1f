package results

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

func syncData(f *os.File) error { return syscall.Fdatasync(int(f.Fd())) }

func readPlatform(e *Env, dataDir string) {
	h := hostFiles{func(name string) string {
		data, err := os.ReadFile(name)
		if err != nil {
			return ""
		}
		return strings.TrimSpace(string(data))
	}}
	h.machine(e)
	e.CgroupCPU, e.CgroupMem = h.limits()
	dir, err := filepath.Abs(dataDir)
	if err != nil {
		return
	}
	if dir, err = filepath.EvalSymlinks(dir); err != nil {
		return
	}
	if m, ok := mountOf(h.read("/proc/self/mountinfo"), dir); ok {
		e.FileSystem = m.fsType + " " + m.options
		e.Device = h.device(m)
	}
}

// hostFiles reads the small files in which Linux tells about itself; "" for those that are not
// there. Tests put their own text here.
type hostFiles struct{ read func(name string) string }

func (h hostFiles) machine(e *Env) {
	if id := h.read("/etc/machine-id"); id != "" {
		e.Host = hostHash(id)
	}
	e.Kernel = or(h.read("/proc/sys/kernel/osrelease"), unknown)
	e.CPU = or(fieldOf(h.read("/proc/cpuinfo"), "model name"), fieldOf(h.read("/proc/cpuinfo"), "Model"), unknown)
	e.Governor = or(h.read("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"), unknown)
	if kb, err := strconv.ParseInt(strings.TrimSuffix(fieldOf(h.read("/proc/meminfo"), "MemTotal"), " kB"), 10, 64); err == nil {
		e.MemBytes = kb << 10
	}
	if words := strings.Fields(h.read("/proc/loadavg")); len(words) > 0 {
		if x, err := strconv.ParseFloat(words[0], 64); err == nil && finite(x) {
			e.LoadAvg = x
		}
	}
}

// fieldOf finds "name : value" among lines.
func fieldOf(text, name string) string {
	for line := range strings.Lines(text) {
		if k, v, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(k) == name {
			return strings.TrimSpace(v)
		}
	}
	return ""
}

func or(words ...string) string {
	for _, w := range words {
		if w != "" {
			return w
		}
	}
	return ""
}

const noLimit = "no limit"

// limits are the tightest on the way from the process's control group to the root, in either version
// of the hierarchy.
func (h hostFiles) limits() (cpu, mem string) {
	groups := h.read("/proc/self/cgroup")
	if groups == "" {
		return unknown, unknown
	}
	cores, bytes := 0.0, int64(0) // 0 = no limit
	for line := range strings.Lines(groups) {
		parts := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(parts) != 3 {
			continue
		}
		for dir := path.Clean("/" + parts[2]); ; dir = path.Dir(dir) {
			for _, c := range strings.Split(parts[1], ",") {
				x, b := h.limitsAt(c, dir)
				if x > 0 && (cores == 0 || x < cores) {
					cores = x
				}
				if b > 0 && (bytes == 0 || b < bytes) {
					bytes = b
				}
			}
			if dir == "/" {
				break
			}
		}
	}
	cpu, mem = noLimit, noLimit
	if cores > 0 {
		cpu = fmt.Sprintf("%.2f cores", cores)
	}
	if bytes > 0 {
		mem = strconv.FormatInt(bytes, 10) + " bytes"
	}
	return cpu, mem
}

// limitsAt reads one group of one controller ("" = version 2, which has all); 0 is no limit.
func (h hostFiles) limitsAt(controller, dir string) (cores float64, bytes int64) {
	quota, period, memory := "", "", ""
	switch controller {
	case "":
		if words := strings.Fields(h.read("/sys/fs/cgroup" + path.Join(dir, "/cpu.max"))); len(words) == 2 {
			quota, period = words[0], words[1]
		}
		memory = h.read("/sys/fs/cgroup" + path.Join(dir, "/memory.max"))
	case "cpu":
		quota = h.read("/sys/fs/cgroup/cpu" + path.Join(dir, "/cpu.cfs_quota_us"))
		period = h.read("/sys/fs/cgroup/cpu" + path.Join(dir, "/cpu.cfs_period_us"))
	case "memory":
		memory = h.read("/sys/fs/cgroup/memory" + path.Join(dir, "/memory.limit_in_bytes"))
	}
	q, errQ := strconv.ParseFloat(quota, 64)
	p, errP := strconv.ParseFloat(period, 64)
	if errQ == nil && errP == nil && q > 0 && p > 0 {
		cores = q / p
	}
	// Version 1 writes "no limit" as the largest number of whole pages.
	if b, err := strconv.ParseInt(memory, 10, 64); err == nil && b > 0 && b < 1<<62 {
		bytes = b
	}
	return cores, bytes
}

type mount struct{ point, device, fsType, options string }

// mountOf finds the file system that dir lies on: the last of the longest mount points above it.
func mountOf(mountinfo, dir string) (mount, bool) {
	best, found := mount{}, false
	for line := range strings.Lines(mountinfo) {
		// id parent major:minor root point options [tags…] - type source superoptions
		left, right, ok := strings.Cut(strings.TrimSpace(line), " - ")
		l, r := strings.Fields(left), strings.Fields(right)
		if !ok || len(l) < 6 || len(r) < 3 {
			continue
		}
		point := unescapeMount(l[4])
		if point != "/" && dir != point && !strings.HasPrefix(dir, point+"/") || found && len(point) < len(best.point) {
			continue
		}
		best = mount{point: point, device: l[2], fsType: r[0], options: mountOptions(l[5] + "," + r[2])}
		found = true
	}
	return best, found
}

// mountOptions are sorted into one list, each once, without those that hold paths or addresses: a
// record does not tell about other things on the machine.
func mountOptions(all string) string {
	var out []string
	seen := map[string]bool{}
	for _, o := range strings.Split(all, ",") {
		private := strings.ContainsAny(o, "/:") || strings.Contains(o, "addr=") || strings.Contains(o, "user")
		if o != "" && !private && !seen[o] {
			seen[o] = true
			out = append(out, o)
		}
	}
	return strings.Join(out, ",")
}

// unescapeMount undoes the octal escapes of mountinfo.
func unescapeMount(s string) string {
	return strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`).Replace(s)
}

// device describes the block device of a mount, of the whole disk for a partition.
func (h hostFiles) device(m mount) string {
	dir := "/sys/dev/block/" + m.device
	name := fieldOf(strings.ReplaceAll(h.read(dir+"/uevent"), "=", ":"), "DEVNAME")
	if name == "" {
		return m.fsType + ", no block device"
	}
	queue := dir + "/queue"
	if h.read(dir+"/partition") != "" {
		queue, dir = dir+"/../queue", dir+"/.."
	}
	words := []string{name}
	if model := h.read(dir + "/device/model"); model != "" {
		words = append(words, model)
	}
	switch h.read(queue + "/rotational") {
	case "0":
		words = append(words, "not rotational")
	case "1":
		words = append(words, "rotational")
	}
	if c := h.read(queue + "/write_cache"); c != "" {
		words = append(words, c+" cache")
	}
	if s := h.read(queue + "/scheduler"); s != "" {
		if _, chosen, ok := strings.Cut(s, "["); ok {
			s, _, _ = strings.Cut(chosen, "]")
		}
		words = append(words, "scheduler "+s)
	}
	return strings.Join(words, ", ")
}
