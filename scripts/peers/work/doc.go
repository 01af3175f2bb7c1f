// Package work is the piece of work on which multi-version stores are measured beside each other.
// Each store is a Store in a program of its own, so that heap and collector are its own; what is
// done, in which order, on which keys and values, and how it is measured is here and the same for
// all.
//
// The work: put N random keys in random order, overwrite N/2 of them, read N/2 of them, read N/100
// ranges of 100 keys, compact at the newest revision, which removes N/2 revisions, close, open
// again. Every write is a transaction of its own and goes through the store's batching; the time of
// a writing part ends when everything in it is durable. Answers are checked, values in one read of 16.
package work
