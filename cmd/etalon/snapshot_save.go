package main

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
)

// saveOptions are the flags of snapshot save.
type saveOptions struct {
	endpoints         []string
	caFile, cert, key string
	dialTimeout       time.Duration
}

func snapshotSaveCommand(tty terminal) *cobra.Command {
	o := &saveOptions{}
	cmd := &cobra.Command{
		Use:     "save FILE",
		Short:   "Save the state of a running member as of one revision",
		Long:    "Save the state of a running member as of one revision into a file, which is there whole or not at all.",
		Example: "  etalon snapshot save backup.db --endpoints 127.0.0.1:2379",
		Args:    oneFile,
		RunE: func(cmd *cobra.Command, args []string) error {
			target, dial, err := o.check()
			if err != nil {
				return usageError{err}
			}
			return o.save(cmd.Context(), tty, target, dial, args[0])
		},
	}
	f := cmd.Flags()
	f.StringSliceVar(&o.endpoints, "endpoints", []string{"127.0.0.1:2379"}, "client address of the member, one")
	f.StringVar(&o.caFile, "cacert", "", "authorities of the member's certificate")
	f.StringVar(&o.cert, "cert", "", "certificate to show")
	f.StringVar(&o.key, "key", "", "its key")
	f.DurationVar(&o.dialTimeout, "dial-timeout", 5*time.Second, "how long connecting may take")
	return cmd
}

// check returns the address to dial, and how.
func (o *saveOptions) check() (string, credentials.TransportCredentials, error) {
	if len(o.endpoints) != 1 {
		return "", nil, fmt.Errorf("snapshot must be requested to one selected node, not multiple %v", o.endpoints)
	}
	if o.dialTimeout <= 0 {
		return "", nil, fmt.Errorf("--dial-timeout %v, want more than 0", o.dialTimeout)
	}
	target, secure := o.endpoints[0], o.caFile != "" || o.cert != ""
	if strings.Contains(target, "://") {
		u, err := url.Parse(target)
		if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
			return "", nil, fmt.Errorf("--endpoints %q, accepted: HOST:PORT, http://HOST:PORT, https://HOST:PORT", target)
		}
		if u.Scheme == "http" && secure {
			return "", nil, fmt.Errorf("--endpoints %s is without TLS, and --cacert or --cert is given", target)
		}
		target, secure = u.Host, u.Scheme == "https"
	}
	if !secure {
		return target, insecure.NewCredentials(), nil
	}
	if (o.cert == "") != (o.key == "") {
		return "", nil, errors.New("--cert and --key go together")
	}
	c := &tls.Config{MinVersion: tls.VersionTLS12}
	if o.caFile != "" {
		text, err := os.ReadFile(o.caFile)
		if err != nil {
			return "", nil, err
		}
		if c.RootCAs = x509.NewCertPool(); !c.RootCAs.AppendCertsFromPEM(text) {
			return "", nil, fmt.Errorf("--cacert %s has no certificate", o.caFile)
		}
	}
	if o.cert != "" {
		pair, err := tls.LoadX509KeyPair(o.cert, o.key)
		if err != nil {
			return "", nil, err
		}
		c.Certificates = []tls.Certificate{pair}
	}
	return target, credentials.NewTLS(c), nil
}

// save writes the snapshot of the member at target to path.
func (o *saveOptions) save(ctx context.Context, tty terminal, target string, dial credentials.TransportCredentials, path string) (err error) {
	direct, err := saveTarget(path)
	if err != nil {
		return usageError{err}
	}
	conn, err := grpc.NewClient("passthrough:"+target, grpc.WithTransportCredentials(dial), grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(64<<20)))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	began := time.Now()
	var written int64
	write := func(w io.Writer) (err error) {
		written, err = o.receive(ctx, conn, w)
		return err
	}
	if direct {
		f, err := os.OpenFile(path, os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		err = errors.Join(write(f), f.Close())
		if err != nil {
			return fmt.Errorf("snapshot of %s: %w", target, err)
		}
		return nil // what was said would go into a pipe's output
	}
	if err := writeSyncedFile(path, write); err != nil {
		return fmt.Errorf("snapshot of %s: %w", target, err)
	}
	fmt.Fprintf(tty.out, "Snapshot saved at %s: %s in %v\n", path, decimalBytes(written), time.Since(began).Round(time.Millisecond))
	return nil
}

// receive writes the stream to w and checks its sum.
func (o *saveOptions) receive(ctx context.Context, conn *grpc.ClientConn, w io.Writer) (written int64, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	late := time.AfterFunc(o.dialTimeout, func() { cancel(fmt.Errorf("no answer within %v", o.dialTimeout)) })
	defer late.Stop()
	stream, err := pb.NewMaintenanceClient(conn).Snapshot(ctx, &pb.SnapshotRequest{}, grpc.WaitForReady(true))
	if err != nil {
		return 0, told(ctx, err)
	}
	sum, last := sha256.New(), []byte(nil)
	for {
		m, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return written, told(ctx, err)
		}
		late.Stop()
		sum.Write(last)
		last = m.Blob
		n, err := w.Write(m.Blob)
		written += int64(n)
		if err != nil {
			return written, err
		}
	}
	if len(last) != sha256.Size || string(last) != string(sum.Sum(nil)) {
		return written, errors.New("the stream ended without a sum that fits it")
	}
	return written, nil
}

// told is err of a call in words, or why it was cut short.
func told(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	if s, ok := status.FromError(err); ok {
		return errors.New(s.Message())
	}
	return err
}

// writeSyncedFile is writeFile, durable when it returns.
func writeSyncedFile(path string, write func(io.Writer) error) error {
	return writeFile(path, func(w io.Writer) error {
		if err := write(w); err != nil {
			return err
		}
		return w.(*os.File).Sync()
	})
}

// saveTarget is where a snapshot is written: a new file that is whole or not there, or what cannot be
// replaced, as a pipe, as it comes.
func saveTarget(path string) (direct bool, err error) {
	info, err := os.Stat(path)
	switch {
	case err != nil: // missing, or told when it is made
		return false, nil
	case info.IsDir():
		return false, fmt.Errorf("%s is a directory", path)
	}
	return !info.Mode().IsRegular(), nil
}
