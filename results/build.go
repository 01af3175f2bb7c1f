package results

import "runtime/debug"

// BuildCommit is the commit that this program was built from, with "+dirty" appended if files were
// changed, or "unknown" where the build was not stamped (go run does not).
func BuildCommit() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return unknown
	}
	commit, _ := buildOf(info)
	return commit
}
