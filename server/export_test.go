package server

// OnStep has step called between the steps of a Restore.
func (c *Restoring) OnStep(step func(string)) { c.step = step }

// SetSize has the quota measured against so many bytes, until the size is looked at again.
func (s *Server) SetSize(bytes int64) { s.sizeBytes.Store(bytes) }
