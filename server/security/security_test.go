package security

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// authority signs certificates for a test.
type authority struct {
	t    *testing.T
	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	file string
}

func newAuthority(t *testing.T) *authority {
	a := &authority{t: t, dir: t.TempDir()}
	a.key, a.cert, a.file = a.sign("ca", true)
	return a
}

func (a *authority) sign(name string, ca bool) (*ecdsa.PrivateKey, *x509.Certificate, string) {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	t := &x509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, IsCA: ca, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, DNSNames: []string{name + ".example"},
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}}
	parent, signer := t, key
	if !ca {
		parent, signer = a.cert, a.key
	}
	der, err := x509.CreateCertificate(rand.Reader, t, parent, &key.PublicKey, signer)
	if err != nil {
		a.t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		a.t.Fatal(err)
	}
	file := filepath.Join(a.dir, name+".pem")
	a.write(file, "CERTIFICATE", der)
	keyDER, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		a.t.Fatal(err)
	}
	a.write(filepath.Join(a.dir, name+".key"), "EC PRIVATE KEY", keyDER)
	return key, cert, file
}

func (a *authority) write(file, kind string, der []byte) {
	a.t.Helper()
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		a.t.Fatal(err)
	}
}

// config is that of a member with a certificate of that name.
func (a *authority) config(name string) Config {
	_, _, file := a.sign(name, false)
	return Config{CertFile: file, KeyFile: filepath.Join(a.dir, name+".key"), CAFile: a.file, ClientAuth: true}
}

// handshake connects a client to a server and returns both sides' errors.
func handshake(t *testing.T, server, client *tls.Config) (serverErr, clientErr error) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	done := make(chan error, 1)
	go func() {
		c, err := l.Accept()
		if err == nil {
			s := tls.Server(c, server)
			if err = s.Handshake(); err == nil {
				_, err = s.Write([]byte("x"))
			}
			s.Close()
		}
		done <- err
	}()
	client = client.Clone()
	client.ServerName = "127.0.0.1"
	c, err := tls.Dial("tcp", l.Addr().String(), client)
	if err == nil {
		_, err = c.Read(make([]byte, 1)) // TLS 1.3 tells of a refused certificate here
		c.Close()
	}
	return <-done, err
}

func mustTLS(t *testing.T) func(*tls.Config, error) *tls.Config {
	return func(c *tls.Config, err error) *tls.Config {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
}

func TestMutualTLS(t *testing.T) {
	a, other := newAuthority(t), newAuthority(t)
	member, must := a.config("member"), mustTLS(t)
	server := must(member.Server())
	t.Run("members with certificates of one authority connect", func(t *testing.T) {
		peer := a.config("peer")
		if s, c := handshake(t, server, must(peer.Client())); s != nil || c != nil {
			t.Errorf("server %v, client %v", s, c)
		}
	})
	t.Run("a certificate of another authority is refused", func(t *testing.T) {
		stranger := other.config("stranger")
		stranger.CAFile = a.file
		if s, _ := handshake(t, server, must(stranger.Client())); s == nil {
			t.Error("accepted")
		}
	})
	t.Run("none is refused", func(t *testing.T) {
		pool := x509.NewCertPool()
		pool.AddCert(a.cert)
		if s, _ := handshake(t, server, &tls.Config{RootCAs: pool}); s == nil {
			t.Error("accepted")
		}
	})
	t.Run("one that is not among the allowed names is refused", func(t *testing.T) {
		strict := member
		strict.AllowedNames = []string{"peer"}
		peer, guest := a.config("peer"), a.config("guest")
		if s, c := handshake(t, must(strict.Server()), must(peer.Client())); s != nil || c != nil {
			t.Errorf("allowed: server %v, client %v", s, c)
		}
		if s, _ := handshake(t, must(strict.Server()), must(guest.Client())); s == nil {
			t.Error("accepted")
		}
	})
	t.Run("a renewed certificate is used without a restart", func(t *testing.T) {
		renewed := a.config("member") // the same files
		pool := x509.NewCertPool()
		pool.AddCert(a.cert)
		want, err := tls.LoadX509KeyPair(renewed.CertFile, renewed.KeyFile)
		if err != nil {
			t.Fatal(err)
		}
		got, err := server.GetCertificate(nil)
		if err != nil || string(got.Certificate[0]) != string(want.Certificate[0]) {
			t.Errorf("an old certificate is shown (%v)", err)
		}
	})
}

func TestAutomaticTLS(t *testing.T) {
	must := mustTLS(t)
	c := Config{Auto: true, AutoDir: t.TempDir(), AutoHosts: []string{"127.0.0.1", "localhost"}}
	if s, cl := handshake(t, must(c.Server()), must(c.Client())); s != nil || cl != nil {
		t.Errorf("server %v, client %v", s, cl)
	}
	before, err := os.ReadFile(filepath.Join(c.AutoDir, "cert.pem"))
	if err != nil {
		t.Fatal(err)
	}
	must(c.Server())
	after, err := os.ReadFile(filepath.Join(c.AutoDir, "cert.pem"))
	if err != nil || string(before) != string(after) {
		t.Errorf("the certificate was made anew: %v", err)
	}
}

func TestSettingsThatContradictEachOther(t *testing.T) {
	a := newAuthority(t)
	whole := a.config("member")
	for name, c := range map[string]Config{
		"a certificate without a key":          {CertFile: whole.CertFile},
		"client certificates without a CA":     {CertFile: whole.CertFile, KeyFile: whole.KeyFile, ClientAuth: true},
		"a CA without a certificate":           {CAFile: whole.CAFile},
		"files and automatic TLS":              {CertFile: whole.CertFile, KeyFile: whole.KeyFile, Auto: true},
		"a least version above the greatest":   {CertFile: whole.CertFile, KeyFile: whole.KeyFile, MinVersion: tls.VersionTLS13, MaxVersion: tls.VersionTLS12},
		"cipher suites with TLS 1.3 and above": {CertFile: whole.CertFile, KeyFile: whole.KeyFile, MinVersion: tls.VersionTLS13, CipherSuites: []string{"TLS_AES_128_GCM_SHA256"}},
	} {
		t.Run(name, func(t *testing.T) {
			if err := c.Validate(); !errors.Is(err, ErrIncomplete) {
				t.Errorf("answered %v", err)
			}
		})
	}
	for name, c := range map[string]Config{
		"a missing file":                 {CertFile: "missing.pem", KeyFile: "missing.key"},
		"a CA file without an authority": {CertFile: whole.CertFile, KeyFile: whole.KeyFile, CAFile: whole.KeyFile},
		"an unknown cipher suite":        {CertFile: whole.CertFile, KeyFile: whole.KeyFile, CipherSuites: []string{"ROT13"}},
	} {
		t.Run(name, func(t *testing.T) {
			if c.Validate() == nil {
				t.Error("accepted")
			}
		})
	}
}
