package bench

import (
	"context"
	"time"

	"github.com/etalon-kv/etalon/results"
)

// measurement is the measured phase and the drain that follows it.
type measurement struct {
	*run
	pace *pace
	rec  *Recording

	sum       Totals // of all intervals, without latencies
	cutAt     time.Duration
	cutUsage  usage
	last      interval
	maxRSS    int64
	diskPeak  int64
	duration  time.Duration
	before    usage // at the start of the phase
	beforeG   Gauges
	after     usage // at its end
	droppedBy int64
}

func (m *measurement) measure(ctx context.Context) (counts, error) {
	m.rec = NewRecording(m.Workers, shardsFor(m.Workers), m.Schedule != nil)
	m.pace = newPace(m.clock, m.Schedule, m.Measure)
	if m.Ops > 0 {
		// In a closed loop each worker gets its share; an open loop ends with the operation.
		m.pace.quota = (m.Ops + uint64(m.Workers) - 1) / uint64(m.Workers)
		if at := m.pace.at; at != nil {
			m.pace.at = func(n uint64) (time.Duration, bool) {
				due, ok := at(n)
				return due, ok && n < m.Ops
			}
		}
	}
	m.takeStages() // those of load and warm-up
	m.before, m.beforeG = m.usage(), m.gauges()
	m.cutUsage, m.diskPeak = m.before, m.beforeG.DiskBytes
	m.maxRSS = m.before.rssBytes
	if b := m.beside; b != nil {
		m.rec.split = b.janitor != nil
		b.measureFrom(m.clock.now())
	}
	own := readUsage()
	if err := m.drive(ctx, m.pace, m.rec, m.sample); err != nil {
		return counts{}, err
	}
	m.duration = m.clock.now() - m.pace.start
	if _, ok := m.target.(Remote); ok {
		now := readUsage()
		generator := own.since(now, now.rssBytes)
		m.record.Generator = &generator
	}
	if m.beside != nil {
		m.beside.mark()
	}
	m.sampleRest()
	m.after = m.cutUsage
	m.record.Stages = m.takeStages()
	if m.Schedule != nil && m.Measure > 0 {
		m.droppedBy = unsent(m.Schedule, m.pace.next, m.Measure)
		if m.Ops > 0 {
			m.droppedBy = min(m.droppedBy, int64(max(m.Ops, m.pace.next)-m.pace.next))
		}
	}
	return counts{m.sum.Ops, m.sum.Errors}, nil
}

// bound makes the phase in the record that of the workers. A remote target takes its time to tell
// its stages before and after them, and no operation is under way then.
func (m *measurement) bound() {
	p := &m.record.Phases[len(m.record.Phases)-1]
	p.Start, p.Duration = m.pace.start-m.began, m.duration
}

// sample ends an interval of the time series.
func (m *measurement) sample() {
	iv := interval{from: m.cutAt, before: m.cutUsage}
	m.rec.Cut(&iv.totals)
	iv.totals.addTo(&m.sum)
	m.enter(&iv)
	m.progress(Progress{Phase: "measure", Elapsed: m.cutAt, Length: m.Measure, Done: uint64(m.sum.Ops)})
}

// sampleRest ends the last interval. What is left after the last full one is too short to stand by
// itself, and is counted with that.
func (m *measurement) sampleRest() {
	if n := len(m.record.Series); n > 0 && m.duration-m.cutAt < m.Interval/2 {
		iv := m.last
		m.record.Series = m.record.Series[:n-1]
		var rest Totals
		m.rec.Cut(&rest)
		rest.addTo(&m.sum)
		rest.addTo(&iv.totals)
		m.enter(&iv)
		return
	}
	m.sample()
}

// interval is one stretch of the measured phase while it is made into a Sample.
type interval struct {
	from   time.Duration // since the start of the phase
	before usage         // at its start
	totals Totals
}

// enter adds the interval, which ends now, to the time series.
func (m *measurement) enter(iv *interval) {
	now, u, g := m.clock.now()-m.pace.start, m.usage(), m.gauges()
	t := &iv.totals
	s := results.Sample{
		At:          now,
		Duration:    now - iv.from,
		Ops:         t.Ops,
		Items:       t.Items,
		Errors:      t.Errors,
		Max:         t.Latency.Max(),
		RSSBytes:    u.rssBytes,
		GCPause:     difference(iv.before.gcPause, u.gcPause),
		DiskBytes:   g.DiskBytes,
		EngineBytes: difference(m.beforeG.WrittenBytes, g.WrittenBytes),
		DeviceBytes: difference(m.beforeG.DeviceBytes, g.DeviceBytes),
	}
	s.P50, _ = t.Latency.Quantile(0.5)
	s.P99, _ = t.Latency.Quantile(0.99)
	s.P999, _ = t.Latency.Quantile(0.999)
	if s.Duration > 0 && u.userCPU >= 0 {
		busy := u.userCPU + u.systemCPU - iv.before.userCPU - iv.before.systemCPU
		s.CPU = busy.Seconds() / s.Duration.Seconds()
	}
	m.cutAt, m.cutUsage = now, u
	m.maxRSS, m.diskPeak = max(m.maxRSS, u.rssBytes), max(m.diskPeak, g.DiskBytes)
	m.last = *iv
	m.record.Series = append(m.record.Series, s)
}

// drain waits for the background work that the measured phase left behind.
func (m *measurement) drain(ctx context.Context) (counts, error) {
	if m.beside != nil {
		if err := m.endBeside(ctx); err != nil {
			return counts{}, err
		}
	}
	if err := m.drainTarget(ctx); err != nil {
		return counts{}, err
	}
	g := m.gauges()
	m.record.Bytes = results.Bytes{
		ClientWritten: m.sum.Written,
		ClientRead:    m.sum.Read,
		EngineWritten: difference(m.beforeG.WrittenBytes, g.WrittenBytes),
		DeviceWritten: difference(m.beforeG.DeviceBytes, g.DeviceBytes),
		Syncs:         difference(m.beforeG.Syncs, g.Syncs),
		Dataset:       m.Source.DatasetBytes(),
		Disk:          g.DiskBytes,
		DiskPeak:      max(m.diskPeak, g.DiskBytes),
		Live:          g.LiveBytes,
		Log:           g.LogBytes,
	}
	return counts{}, nil
}
