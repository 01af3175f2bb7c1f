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

// touch reads from the page called id, a child of parent, where the key with the head k seems to
// stand. The result is of no use; it is there because the compiler leaves out reads
// without one.
//
//go:noinline
func (t *tree) touch(parent, id uint64, r reach, k uint64) (sum byte) {
	if id >= uint64(len(t.data))/t.pageBytes {
		return 0
	}
	data := t.data[id*t.pageBytes:]
	f := form(t.forms.below(parent).Load())
	if n := f.elements(); n != 0 && r.known {
		i := r.place(n, k)
		at, from := element(i), f.from(i)
		to := from + f.itemBytes()
		if f.leaf() {
			to = min(to, from+aheadBytes)
		} else { // the one behind it is its end
			to += f.itemBytes()
		}
		if to > len(data) {
			return 0
		}
		sum = data[0] + data[at] + data[at+elementBytes] + data[to-1]
		for ; from < to; from += lineBytes {
			sum += data[from]
		}
		return sum
	}
	for at := 0; at < blindBytes; at += lineBytes { // pages are longer
		sum += data[at]
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
