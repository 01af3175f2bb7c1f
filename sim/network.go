package sim

import (
	"math/rand/v2"
	"time"
)

// Link is how every connection of a Network behaves. Chances are in thousandths, each drawn for
// every message.
type Link struct {
	// A message takes MinDelay to MaxDelay, evenly; so messages overtake each other.
	MinDelay, MaxDelay time.Duration
	// Loss is the chance that it never arrives, Duplicate that it arrives twice.
	Loss, Duplicate int
	// Late is the chance that another copy arrives again up to LateBy after it.
	Late   int
	LateBy time.Duration
}

// Network carries messages between addresses. It never alters one.
type Network struct {
	w     *World
	rng   *rand.Rand
	link  Link
	ends  map[uint64]end
	cuts  map[[2]uint64]bool
	stats NetworkStats
}

// NetworkStats are counts since the beginning.
type NetworkStats struct {
	// Sent, and of those: Lost by chance; Cut where a connection was down, or the receiver.
	Sent, Delivered, Lost, Cut, Duplicated, Late int
}

type end struct {
	host    *Host
	deliver func(from uint64, message []byte)
}

// NewNetwork returns a network without anybody on it.
func NewNetwork(w *World, link Link) *Network {
	return &Network{w: w, rng: w.Rand("network"), link: link, ends: map[uint64]end{}, cuts: map[[2]uint64]bool{}}
}

// Attach gives messages to addr to deliver, which is called as a process of h. The message is shared with
// its duplicates: nobody may modify it.
func (n *Network) Attach(addr uint64, h *Host, deliver func(from uint64, message []byte)) {
	n.ends[addr] = end{h, deliver}
}

// SetLink changes how messages travel that are sent from now on.
func (n *Network) SetLink(l Link) { n.link = l }

// Stats returns the counts.
func (n *Network) Stats() NetworkStats { return n.stats }

// Send sends a message, which must not be modified any more.
func (n *Network) Send(from, to uint64, message []byte) { n.SendSlowly(from, to, message, 0) }

// SendSlowly is Send for a message that takes extra time on its way, beside what the Link says.
func (n *Network) SendSlowly(from, to uint64, message []byte, extra time.Duration) {
	n.stats.Sent++
	l := &n.link
	lost, twice, late := n.chance(l.Loss), n.chance(l.Duplicate), n.chance(l.Late)
	if late {
		n.stats.Late++
		n.travel(from, to, message, extra+l.MaxDelay+time.Duration(n.rng.Int64N(int64(l.LateBy)+1)))
	}
	if lost {
		n.stats.Lost++
		return
	}
	n.travel(from, to, message, extra+n.delay())
	if twice {
		n.stats.Duplicated++
		n.travel(from, to, message, extra+n.delay())
	}
}

func (n *Network) chance(thousandths int) bool {
	return thousandths > 0 && n.rng.IntN(1000) < thousandths
}

func (n *Network) delay() time.Duration {
	return n.link.MinDelay + time.Duration(n.rng.Int64N(int64(n.link.MaxDelay-n.link.MinDelay)+1))
}

// travel delivers after d. A connection that is cut in either moment loses the message.
func (n *Network) travel(from, to uint64, message []byte, d time.Duration) {
	if n.cuts[[2]uint64{from, to}] {
		n.stats.Cut++
		return
	}
	n.w.After(d, func() {
		e, ok := n.ends[to]
		if !ok || !e.host.up || n.cuts[[2]uint64{from, to}] {
			n.stats.Cut++
			return
		}
		n.stats.Delivered++
		if e.host.paused {
			e.host.held = append(e.host.held, func() { e.deliver(from, message) })
		} else {
			e.deliver(from, message)
		}
	})
}

// Cut stops messages in one direction.
func (n *Network) Cut(from, to uint64) { n.cuts[[2]uint64{from, to}] = true }

// Mend lets them pass again.
func (n *Network) Mend(from, to uint64) { delete(n.cuts, [2]uint64{from, to}) }

// Heal mends everything.
func (n *Network) Heal() { clear(n.cuts) }

// CutUnless cuts, in both directions, every pair of addrs of which connected is false. connected gets
// places in addrs.
func (n *Network) CutUnless(addrs []uint64, connected func(i, j int) bool) {
	for i := range addrs {
		for j := range i {
			if !connected(j, i) {
				n.Cut(addrs[i], addrs[j])
				n.Cut(addrs[j], addrs[i])
			}
		}
	}
}

// Split cuts addrs into the first k and the others.
func (n *Network) Split(addrs []uint64, k int) {
	n.CutUnless(addrs, func(i, j int) bool { return (i < k) == (j < k) })
}

// Bridge splits addrs into halves that only the middle one sees both of.
func (n *Network) Bridge(addrs []uint64) {
	m := len(addrs) / 2
	n.CutUnless(addrs, func(i, j int) bool { return i == m || j == m || (i < m) == (j < m) })
}

// Ring leaves each of addrs only its two neighbours, so that everybody sees a majority of 5 at most,
// and nobody the same one.
func (n *Network) Ring(addrs []uint64) {
	n.CutUnless(addrs, func(i, j int) bool { return j-i == 1 || j-i == len(addrs)-1 })
}
