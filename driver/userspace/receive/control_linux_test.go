package receive

import (
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// stamped is a control message with a packet's time.
func stamped(at int64) []byte {
	stamp := unix.NsecToTimespec(at)
	n := int(unsafe.Sizeof(stamp))
	words := make([]uint64, (unix.CmsgSpace(n)+7)/8) // aligned as the kernel's are
	b := unsafe.Slice((*byte)(unsafe.Pointer(&words[0])), unix.CmsgSpace(n))
	h := (*unix.Cmsghdr)(unsafe.Pointer(&b[0]))
	h.Level, h.Type = unix.SOL_SOCKET, unix.SCM_TIMESTAMPNS
	h.SetLen(unix.CmsgLen(n))
	*(*unix.Timespec)(unsafe.Pointer(&b[unix.CmsgLen(0)])) = stamp
	return b
}

// TestControl has control messages that are cut or of another kind: they say nothing.
func TestControl(t *testing.T) {
	whole := stamped(1000)
	for n := range whole {
		p := packet{arrival: 5000}
		p.control(whole[:n], 2000, 5000)
		if want := int64(5000); p.arrival != want && n < unix.CmsgLen(int(unsafe.Sizeof(unix.Timespec{}))) {
			t.Errorf("cut to %d bytes: came at %d; want %d", n, p.arrival, want)
		}
	}
	p := packet{arrival: 5000}
	(*unix.Cmsghdr)(unsafe.Pointer(&whole[0])).Type = unix.SCM_RIGHTS
	p.control(whole, 2000, 5000)
	if p.arrival != 5000 {
		t.Errorf("came at %d; want 5000", p.arrival)
	}
}
