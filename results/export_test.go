package results

// What the external tests look into.
var (
	RatioOf = ratioOf
	Holm    = holm
)
