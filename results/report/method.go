package report

// method is the short explanation at the end of the page.
var method = []string{
	"Service time is from sending an operation to its completion. Response time is from the moment the operation was due " +
		"to its completion: in an open loop operations are due by a schedule whether or not earlier ones are done, so a stall is " +
		"charged to every operation that was due during it. In a closed loop each client sends when its last operation is done; there " +
		"is no due time, only service time, and a slow store lowers the load it is put under.",
	"Latencies are counted in histograms of three significant digits from 100 ns to 100 s. Percentiles of several runs or kinds are " +
		"read from the merged histograms; percentiles are never averaged. The exact maximum is kept apart. Failed operations are in no " +
		"latency. A curve ends at its slowest operation: of a thousand operations nothing is known beyond 99.9 %.",
	"A throughput is the successful operations of the measured phase divided by its length: one value a run. The table shows the " +
		"median over runs and its interval, without assuming a distribution; every single run is a dot in the figures. Runs of all cells " +
		"are interleaved in random order, so that a drift of the machine falls on all of them.",
	"Bytes written are those of the measured phase and the drain after it, in which the background work of an engine is waited for, " +
		"divided by the keys and values of acknowledged writes. They begin with what the warm-up left in memory and end with what the run " +
		"left there: a run that writes less than a few times an engine's memory (a memtable of 64 MiB in pebble and badger) shows what its log " +
		"costs, and little of the compactions that a long run pays for. Disk is the data directory after the drain.",
	"Durability says what an acknowledged write has survived. sync: it was fsynced first, by a sync of its own; group: the same, one " +
		"fsync shared by writes that wait together; interval: a crash may lose the last interval; none: nothing is promised. Figures with " +
		"different labels are not a comparison of engines alone.",
	"A run whose verification failed is invalid: it is listed among the warnings and in no figure. A file that is damaged, altered or of " +
		"another format is named there too, and not read.",
}
