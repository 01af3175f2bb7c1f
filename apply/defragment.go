package apply

import (
	"context"
	"errors"
	"io"
)

// Defragment writes the whole state into a new engine, which then takes the place of the old one, as
// Restore does. Whatever the engine, what it had freed and not given back is gone. Writes wait for it,
// reads do not; watches move over (View.Replaced).
func (m *Machine) Defragment(ctx context.Context) error {
	old, err := m.begin()
	if err != nil {
		return err
	}
	defer m.writer.Unlock()
	if !old.retain() {
		return ErrClosed
	}
	i, err := old.image()
	if err != nil {
		old.release()
		return err
	}
	r, w := io.Pipe()
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, err := i.WriteTo(w)
		w.CloseWithError(errors.Join(err, i.Close())) // before replace waits for the old state's readers
	}()
	err = m.replace(ctx, old, r)
	_ = r.Close() // it never fails
	<-done
	return err
}
