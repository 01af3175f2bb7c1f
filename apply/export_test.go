package apply

// OnStep has f called between the steps of a Restore of m.
func OnStep(m *Machine, f func(step string)) { m.dir.step = f }
