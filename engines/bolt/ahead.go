package bolt

import "sync/atomic"

// A lookup waits for memory again and again: for the header of a page, then for the element that it
// leads to, then for the key and the value that this points to. But most pages below one branch
// look alike. So what a lookup will want of a page is guessed from the form of others, and read all
// at once before anything of it is needed. A wrong guess costs a few reads in vain.

// forms are those of the children of the branches of a tree, by the number of the branch; branches
// may have to share one. Readers share all of them, and so do the states of a tree.
type forms [1024]atomic.Uint64

// below is where the form of the children of the branch called parent is, 0 for the root itself.
func (f *forms) below(parent uint64) *atomic.Uint64 { return &f[parent%uint64(len(f))] }

// form is how a page looks: 0 if that is not known, else its number of elements, the bytes of key
// and value that each has, and whether it is a leaf.
type form uint64

func formOf(n, itemBytes int, leaf bool) form {
	f := form(n)<<32 | form(itemBytes)<<1
	if leaf {
		f |= 1
	}
	return f
}

func (f form) elements() int  { return int(f >> 32) }
func (f form) itemBytes() int { return int(f&(1<<32-1)) >> 1 }
func (f form) leaf() bool     { return f&1 != 0 }

// from is where the key of the i-th element begins.
func (f form) from(i int) int { return element(f.elements()) + i*f.itemBytes() }

const (
	lineBytes = 64
	// blindBytes are read of a page whose form is not known: its header and the first elements.
	blindBytes = 4 * lineBytes
	// aheadBytes bounds what is read of a value.
	aheadBytes = 8 * lineBytes
)

// want is what a lookup seems to need of a page: its header, the elements called at and behind it,
// and from and to, where their keys and values stand. All count from the start of the map.
type want struct{ page, at, from, to uint64 }

// want is what a lookup of the head k needs of the page called id, a child of parent; nothing, which
// is all zeroes, of one that is not there.
func (t *tree) want(parent, id uint64, r reach, k uint64) want {
	if id >= uint64(len(t.data))/t.pageBytes {
		return want{}
	}
	page := id * t.pageBytes
	f := form(t.forms.below(parent).Load())
	n := f.elements()
	if n == 0 || !r.known {
		return want{page: page, at: page, from: page, to: page + blindBytes} // pages are longer
	}
	i := r.place(n, k)
	from := f.from(i)
	to := from + f.itemBytes()
	if f.leaf() {
		to = min(to, from+aheadBytes)
	} else { // the one behind it is its end
		to += f.itemBytes()
	}
	if uint64(to) > uint64(len(t.data))-page {
		return want{}
	}
	return want{page: page, at: page + uint64(element(i)), from: page + uint64(from), to: page + uint64(to)}
}

// touch reads all of w. The result is of no use; it is there because the compiler leaves out reads
// without one.
//
//go:noinline
func (t *tree) touch(w want) byte {
	if w.to == 0 {
		return 0
	}
	return t.data[w.at] + t.touchRest(w)
}

// touchRest reads of w what is in other lines than at.
func (t *tree) touchRest(w want) (sum byte) {
	sum = t.data[w.page] + t.data[w.at+elementBytes] + t.data[w.to-1]
	for at := w.from; at < w.to; at += lineBytes {
		sum += t.data[at]
	}
	return sum
}

// touchAll is touch of some. It reads once from each page before it reads more of any: then the
// processor goes far enough ahead to look up many addresses at a time, which take it longer than
// what stands there.
//
//go:noinline
func (t *tree) touchAll(some []want) (sum byte) {
	data := t.data
	for i := range some {
		sum += data[some[i].at]
	}
	for i := range some {
		sum += t.touchRest(some[i])
	}
	return sum
}

// learn corrects the form of the children of parent by p, in which a lookup of the head k came to
// the i-th element. Where no two pages are alike it mostly does not, so that readers do not take
// turns in writing the form.
func (t *tree) learn(parent uint64, p *page, i int, k uint64) {
	if p.n == 0 {
		return
	}
	known := t.forms.below(parent)
	f := form(known.Load())
	from, to := p.span(i)
	if p.leaf {
		to += p.valueBytes(i)
	}
	if d := f.from(i) - from; f.elements() == p.n && d < lineBytes && d > -lineBytes || f != 0 && k%8 != 0 {
		return
	}
	item := to - from
	if i > 0 {
		item = (from - element(p.n)) / i
	}
	if item > 0 && item < 1<<31 {
		known.Store(uint64(formOf(p.n, item, p.leaf)))
	}
}
