package qemu

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
)

// Command sends a command of the QEMU machine protocol, such as system_powerdown,
// and waits for its answer.
func (m *Machine) Command(ctx context.Context, name string, arguments any) error {
	conn, err := (&net.Dialer{}).DialContext(ctx, "unix", m.control)
	if err != nil {
		return fmt.Errorf("qemu's control socket: %w", err)
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	in, out := bufio.NewScanner(conn), json.NewEncoder(conn)
	if !in.Scan() { // the greeting
		return fmt.Errorf("qemu's control socket: %w", cmp.Or(ctx.Err(), errors.New("no greeting")))
	}
	for _, cmd := range []map[string]any{
		{"execute": "qmp_capabilities"},
		{"execute": name, "arguments": arguments},
	} {
		if cmd["arguments"] == nil {
			delete(cmd, "arguments")
		}
		if err := out.Encode(cmd); err != nil {
			return fmt.Errorf("qemu: %s: %w", cmd["execute"], err)
		}
		if err := answer(in); err != nil {
			return fmt.Errorf("qemu: %s: %w", cmd["execute"], cmp.Or(ctx.Err(), err))
		}
	}
	return nil
}

// answer skips events until a command's answer comes.
func answer(in *bufio.Scanner) error {
	for in.Scan() {
		var a struct {
			Return json.RawMessage
			Error  *struct{ Desc string }
		}
		if err := json.Unmarshal(in.Bytes(), &a); err != nil {
			return err
		}
		switch {
		case a.Error != nil:
			return errors.New(a.Error.Desc)
		case a.Return != nil:
			return nil
		}
	}
	return errors.Join(in.Err(), errors.New("the connection ended"))
}
