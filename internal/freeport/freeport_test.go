package freeport

import (
	"net"
	"testing"
)

func TestFindGivesDifferentAddressesThatAreFree(t *testing.T) {
	addrs, err := Find(50)
	if err != nil {
		t.Fatal(err)
	}
	if len(addrs) != 50 {
		t.Fatalf("%d addresses, want 50", len(addrs))
	}
	for _, addr := range addrs { // a second listener on one of them would fail
		l, err := net.Listen("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
	}
	if _, err := Find(tries + 1); err == nil {
		t.Error("more addresses than tries were found")
	}
}
