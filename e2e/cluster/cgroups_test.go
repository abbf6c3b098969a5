package main

import "testing"

func TestGroupsThatAreNotOursAreLeftAlone(t *testing.T) {
	for _, name := range []string{"", "/", ".", "system.slice"} {
		if groupOfOurs(name) {
			t.Errorf("%q is not ours", name)
		}
	}
	if !groupOfOurs(cgroupPrefix + "0a1b2c3d") {
		t.Error("a group that was made here is ours")
	}
}
