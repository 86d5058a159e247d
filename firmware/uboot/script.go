// Package uboot writes what U-Boot runs: boot.scr, the script that picks a slot, counts
// the tries of a new system, and starts it.
//
// It has to be right for years, as an update replaces slots and never the script; so it
// does no more than that. What may change with a system, the kernel's command line above
// all, is in the slot file.
//
// Whatever can be wrong with a slot file is found before anything of it runs, by the
// hashes in it; the other slot is started then. When neither can be, the script says so
// and begins again, for it may be the card's contacts.
package uboot

import (
	"bytes"
	"fmt"
	"strings"
	"text/template"

	"aes67os/board"
	"aes67os/firmware/fit"
)

// Where things are in memory, which begins at 0x40000000 on all boards and has 512 MiB
// at least. U-Boot itself is at its end. Below 0x4a000000, which is U-Boot's bootm_size for
// Allwinner, it puts the initramfs and the kernel's own copy of the device tree.
const (
	// KernelAddress is where the kernel is unpacked to: a multiple of 2 MiB, so that
	// it runs in place.
	KernelAddress = 0x40400000
	// TreeAddress is where the device tree goes.
	TreeAddress = 0x4fa00000

	stateAddress = 0x4b000000
	slotAddress  = 0x4c000000
	// MaxSlotFile is the largest slot file, in bytes.
	MaxSlotFile = TreeAddress - slotAddress
)

// Names that the script and the builder must agree on.
const (
	// ScriptFile is on the boot partition, SlotFile on each slot.
	ScriptFile = "boot.scr"
	SlotFile   = "image.itb"
	// CommandLine is the name of the part of a slot file that sets the kernel's
	// command line; see Arguments.
	CommandLine = "cmdline"
	// SlotParameter is on the kernel's command line and tells which slot it is.
	SlotParameter = "aes67os.slot"
)

// Partitions are the numbers, from 1, of partitions on the disk.
type Partitions struct{ State, SlotA, SlotB int }

// script reads the state, of which one copy may be torn, counts, and starts. The second copy is written first, so that there is a
// whole one at any time.
var script = template.Must(template.New("").Parse(`echo "aes67os: {{.Board}}"
setenv slot a; setenv good a; setenv left 0
part start ${devtype} ${devnum} {{.State}} st; setexpr st1 ${st} + 1; setenv sa {{.StateAddress}}
${devtype} dev ${devnum}
if ${devtype} read ${sa} ${st} 1 && env import -c ${sa} 200 slot good left; then true
elif ${devtype} read ${sa} ${st1} 1 && env import -c ${sa} 200 slot good left; then echo "aes67os: the first copy of the state is damaged"
else echo "aes67os: there is no state, slot a it is"; fi
if test "${slot}" != "${good}"; then
  if itest 0x${left} -gt 0; then
    setexpr left 0x${left} - 1
    env export -c -s 200 ${sa} slot good left
    ${devtype} write ${sa} ${st1} 1; ${devtype} write ${sa} ${st} 1
    echo "aes67os: slot ${slot} is tried, ${left} tries are left"
  else
    echo "aes67os: slot ${slot} did not work, going back to slot ${good}"
    setenv slot ${good}
  fi
fi
if test "${slot}" = b; then setenv other a; else setenv slot a; setenv other b; fi
for s in ${slot} ${other}; do
  setenv slot ${s}
  if test ${s} = a; then setenv part {{.SlotA}}; else setenv part {{.SlotB}}; fi
  echo "aes67os: starting slot ${s}"
  mw.l {{.SlotAddress}} 0
  if load ${devtype} ${devnum}:${part} {{.SlotAddress}} {{.SlotFile}} && source {{.SlotAddress}}:{{.CommandLine}}; then
{{- range .BeforeStart}}
    {{.}}
{{- end}}
    bootm {{.System}}{{with .Tree}} {{$.System}} {{.}}{{end}}
  fi
  echo "aes67os: slot ${s} cannot be started"
done
echo "aes67os: NO SLOT CAN BE STARTED. The card is damaged: write the image to it, or to a new one."
echo "aes67os: trying again in 10 seconds"
sleep 10
reset
`))

// Script returns the text of boot.scr for a board.
func Script(b board.Board, p Partitions) (string, error) {
	var text bytes.Buffer
	err := script.Execute(&text, struct {
		Partitions
		Board, StateAddress, SlotAddress, System, SlotFile, CommandLine, Tree string
		BeforeStart                                                           []string
	}{
		p, b.Title, hex(stateAddress), hex(slotAddress), hex(slotAddress) + "#" + fit.Configuration,
		SlotFile, CommandLine, b.UBoot.DeviceTreeAt, b.UBoot.BeforeStart,
	})
	return text.String(), err
}

// Arguments is a script that sets the kernel's command line; U-Boot adds the slot.
func Arguments(cmdline string) (string, error) {
	// U-Boot would take them for its own.
	if strings.ContainsAny(cmdline, "\"\\$;&|\n") {
		return "", fmt.Errorf("the command line %q has characters that mean something to U-Boot", cmdline)
	}
	return argumentsBegin + cmdline + argumentsEnd, nil
}

// ParseArguments returns the command line of a script that Arguments made, without the
// slot, or nothing.
func ParseArguments(script string) string {
	rest, ok := strings.CutPrefix(script, argumentsBegin)
	cmdline, end := strings.CutSuffix(rest, argumentsEnd)
	if !ok || !end {
		return ""
	}
	return cmdline
}

const argumentsBegin, argumentsEnd = `setenv bootargs "`, " " + SlotParameter + "=${slot}\"\n"

func hex(n uint32) string { return fmt.Sprintf("%#x", n) }
