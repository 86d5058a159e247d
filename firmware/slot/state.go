// Package slot says which of the two systems on a card is to start, where U-Boot
// starts it.
//
// Of the two slots one is good: it has run before. An update goes to the other, and asks
// for it to be tried a few times. Each try is counted by U-Boot, before it starts the
// system, so that one which hangs is counted too. A system that works says so by making
// its slot the good one; one that does not leaves the tries to run out, and U-Boot goes
// back.
//
// All of this is one sector, which is written twice, on a partition without file system:
// if the power fails while one copy is written, the other one counts. The format is that
// of U-Boot's environment in a file (env import -c): CRC and NAME=VALUE strings.
package slot

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"strconv"
	"strings"
)

// Name is one of the two slots.
type Name string

// The slots.
const (
	A Name = "a"
	B Name = "b"
)

// State is what U-Boot reads and writes.
type State struct {
	// Slot is to be started, as long as there are tries.
	Slot Name
	// Good has run before. Where it is Slot, there is nothing to try.
	Good Name
	// Left is how many tries Slot has, from now on.
	Left uint8
}

const (
	// SectorSize is the size of a copy, in bytes; State has two, one behind the other.
	SectorSize = 512
	// Size is the size of both copies.
	Size = 2 * SectorSize

	sumSize = 4
)

// ErrDamaged is wrapped by the error of two copies that are both damaged, or blank:
// U-Boot starts slot a then.
var ErrDamaged = errors.New("neither copy of the slots' state is whole")

// First is the state of a new card: one system, in slot a.
func First() State { return State{Slot: A, Good: A} }

// Sectors returns both copies.
func (s State) Sectors() [Size]byte {
	var both [Size]byte
	// Hexadecimal, as all numbers are to U-Boot.
	text := fmt.Sprintf("slot=%s\x00good=%s\x00left=%x\x00\x00", s.Slot, s.Good, s.Left)
	copy(both[sumSize:], text)
	binary.LittleEndian.PutUint32(both[:], crc32.ChecksumIEEE(both[sumSize:SectorSize]))
	copy(both[SectorSize:], both[:SectorSize])
	return both
}

// Parse reads what Sectors, or U-Boot, wrote: the first copy that is whole. The
// error wraps ErrDamaged if there is none.
func Parse(both [Size]byte) (State, error) {
	first, err := parse(both[:SectorSize])
	if err == nil {
		return first, nil
	}
	second, err2 := parse(both[SectorSize:])
	if err2 == nil {
		return second, nil
	}
	return State{}, fmt.Errorf("%w: %w; %w", ErrDamaged, err, err2)
}

func parse(sector []byte) (State, error) {
	if want, got := binary.LittleEndian.Uint32(sector), crc32.ChecksumIEEE(sector[sumSize:]); got != want {
		return State{}, fmt.Errorf("checksum is %08x, not %08x", got, want)
	}
	text, _, _ := bytes.Cut(sector[sumSize:], []byte{0, 0})
	vars := map[string]string{}
	for pair := range strings.SplitSeq(string(text), "\x00") {
		name, value, _ := strings.Cut(pair, "=")
		vars[name] = value
	}
	s := State{Slot: Name(vars["slot"]), Good: Name(vars["good"])}
	for _, n := range []Name{s.Slot, s.Good} {
		if n != A && n != B {
			return State{}, fmt.Errorf("there is no slot %q", n)
		}
	}
	left, err := strconv.ParseUint(strings.TrimPrefix(vars["left"], "0x"), 16, 8)
	if err != nil {
		return State{}, fmt.Errorf("tries left: %w", err)
	}
	s.Left = uint8(left)
	return s, nil
}
