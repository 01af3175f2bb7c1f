package main

import (
	"fmt"
	"io"
	"os"
	"time"

	"github.com/vbauerster/mpb/v8" // a bar that redraws well on every terminal is more than it seems
	"github.com/vbauerster/mpb/v8/decor"
	"golang.org/x/term"
)

// progress tells how far a suite is: a bar with the time left on a terminal, a plain line a run
// anywhere else.
type progress struct {
	out   io.Writer
	total int
	done  int
	start time.Time

	bars *mpb.Progress // nil when out is no terminal
	bar  *mpb.Bar
	what string // read by the bar's decorator, which mpb calls between increments
	name chan string
}

// newProgress starts telling about total runs, done of which are finished already.
func newProgress(out io.Writer, total, done int) *progress {
	p := &progress{out: out, total: total, done: done, start: time.Now()}
	if !isTerminal(out) {
		return p
	}
	p.name = make(chan string, 1)
	p.bars = mpb.New(mpb.WithOutput(out), mpb.WithWidth(40), mpb.WithAutoRefresh())
	began := done
	p.bar = p.bars.AddBar(int64(total),
		mpb.PrependDecorators(decor.CountersNoUnit("%d/%d ", decor.WCSyncWidth)),
		mpb.AppendDecorators(
			decor.Any(func(s decor.Statistics) string {
				return timeLeft(time.Since(p.start), int(s.Current)-began, total-int(s.Current))
			}),
			decor.Any(func(decor.Statistics) string {
				select {
				case p.what = <-p.name:
				default:
				}
				return " " + p.what
			}),
		))
	p.bar.SetCurrent(int64(done))
	return p
}

// timeLeft is how long the remaining runs will take if they go like those done so far.
func timeLeft(spent time.Duration, done, remaining int) string {
	if done <= 0 {
		return " --:-- left"
	}
	left := (spent / time.Duration(done) * time.Duration(remaining)).Round(time.Second)
	return fmt.Sprintf(" %02d:%02d left", int(left.Minutes()), int(left.Seconds())%60)
}

// begin names the run that starts.
func (p *progress) begin(name string) {
	if p.bars == nil {
		return
	}
	select { // the newest name wins
	case <-p.name:
	default:
	}
	p.name <- name
}

// end counts a run and says how it went.
func (p *progress) end(name, outcome string) {
	p.done++
	if p.bars != nil {
		p.bar.Increment()
		return
	}
	fmt.Fprintf(p.out, "[%d/%d] %s: %s\n", p.done, p.total, name, outcome)
}

// say prints a line without disturbing the bar.
func (p *progress) say(format string, args ...any) {
	if p.bars != nil {
		fmt.Fprintf(p.bars, format+"\n", args...)
		return
	}
	fmt.Fprintf(p.out, format+"\n", args...)
}

// close ends the bar, finished or not.
func (p *progress) close() {
	if p.bars != nil {
		p.bar.Abort(false)
		p.bars.Wait()
	}
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
