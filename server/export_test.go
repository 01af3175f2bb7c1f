package server

// OnStep has step called between the steps of a Restore.
func (c *Restoring) OnStep(step func(string)) { c.step = step }
