// Package apply is the replicated state machine: keys, transactions, leases, alarms and members, as
// one deterministic function of the entries of a log. It knows no clock, no network and no Raft
// beyond the names of things.
package apply
