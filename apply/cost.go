package apply

// What a command takes of the quota, in bytes: etcd's numbers.
const (
	keyOverhead = 256
	leaseCost   = 64
)

// Cost is what p counts against a quota, which is exceeded when the size of the store and the cost
// are not below it together.
func (p *Put) Cost() int64 { return keyOverhead + int64(len(p.Key)+len(p.Value)) }

// Cost is that of the more expensive branch; 0 if neither puts anything.
func (t *Txn) Cost() int64 { return max(cost(t.Success), cost(t.Failure)) }

func cost(ops []Op) (sum int64) {
	for i := range ops {
		switch o := &ops[i]; {
		case o.Put != nil:
			sum += o.Put.Cost()
		case o.Txn != nil:
			sum += o.Txn.Cost()
		}
	}
	return sum
}

// Cost is the same for every lease.
func (*LeaseGrant) Cost() int64 { return leaseCost }
