package suite

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"

	"github.com/etalon-kv/etalon/internal/nearest"
)

// MaxFileBytes bounds a suite file.
const MaxFileBytes = 1 << 20

// maxDepth bounds the nesting of a suite file.
const maxDepth = 8

var fields = []string{"name", "doc", "seed", "reps", "warmup", "duration", "factors", "exclude", "options"}

// PositionError is a mistake in a suite file.
type PositionError struct {
	File         string
	Line, Column int // from 1; 0 if the mistake has no place
	Err          error
}

func (e *PositionError) Error() string {
	if e.Line == 0 {
		return fmt.Sprintf("%s: %v", e.File, e.Err)
	}
	return fmt.Sprintf("%s:%d:%d: %v", e.File, e.Line, e.Column, e.Err)
}

func (e *PositionError) Unwrap() error { return e.Err }

// Parse reads a suite from YAML. Every error is a *PositionError. factors are those that exist;
// checkOptions, if not nil, checks the options of one component. Fields left out keep the values
// of defaults.
func Parse(file string, data []byte, defaults Suite, factors []Factor, checkOptions func(component string, options map[string]any) error) (Suite, error) {
	p := yamlReader{file: file, factors: factors, checkOptions: checkOptions, suite: defaults}
	if len(data) > MaxFileBytes {
		return Suite{}, p.at(nil, fmt.Errorf("%d bytes, accepted: at most %d", len(data), MaxFileBytes))
	}
	tree, err := parser.ParseBytes(data, 0)
	if err != nil {
		return Suite{}, p.syntax(err)
	}
	if len(tree.Docs) != 1 || tree.Docs[0].Body == nil {
		return Suite{}, p.at(nil, errors.New("no suite in it; a suite is one YAML document with the fields name, factors, …"))
	}
	if err := p.document(tree.Docs[0].Body); err != nil {
		return Suite{}, err
	}
	if err := p.suite.Validate(factors); err != nil {
		return Suite{}, p.at(tree.Docs[0].Body, err)
	}
	idle, err := p.suite.Idle(factors)
	if err != nil {
		return Suite{}, p.at(tree.Docs[0].Body, err)
	}
	if len(idle) > 0 {
		return Suite{}, p.at(p.factorNodes[idle[0].Name], fmt.Errorf("factor %s (%s) means nothing in any cell of this suite", idle[0].Name, idle[0].Doc))
	}
	return p.suite, nil
}

type yamlReader struct {
	file         string
	factors      []Factor
	checkOptions func(string, map[string]any) error
	suite        Suite
	factorNodes  map[string]ast.Node // their names in the file
}

// at puts a position to an error, unless it has one already.
func (p *yamlReader) at(n ast.Node, err error) error {
	var known *PositionError
	if err == nil || errors.As(err, &known) {
		return err
	}
	e := &PositionError{File: p.file, Err: err}
	if m, ok := n.(ast.MapNode); ok { // whose own token is a colon
		if it := m.MapRange(); it.Next() {
			n = it.Key()
		}
	}
	if n != nil && n.GetToken() != nil && n.GetToken().Position != nil {
		e.Line, e.Column = n.GetToken().Position.Line, n.GetToken().Position.Column
	}
	return e
}

func (p *yamlReader) syntax(err error) error {
	e := &PositionError{File: p.file, Err: err}
	var y yaml.Error
	if errors.As(err, &y) {
		e.Err = errors.New(y.GetMessage())
		if tk := y.GetToken(); tk != nil && tk.Position != nil {
			e.Line, e.Column = tk.Position.Line, tk.Position.Column
		}
	}
	return e
}

func (p *yamlReader) document(body ast.Node) error {
	return p.mapping(body, "suite", func(key string, keyNode, value ast.Node) error {
		var err error
		switch key {
		case "name":
			if p.suite.Name, err = p.scalar(value); err == nil {
				err = checkName(p.suite.Name)
			}
		case "doc":
			p.suite.Doc, err = p.scalar(value)
		case "seed":
			p.suite.Seed, err = parseWith(p, value, func(s string) (uint64, error) { return strconv.ParseUint(s, 10, 64) }, "a whole number from 0")
		case "reps":
			p.suite.Reps, err = parseWith(p, value, strconv.Atoi, fmt.Sprintf("1 to %d", MaxReps))
			if err == nil && (p.suite.Reps < 1 || p.suite.Reps > MaxReps) {
				err = fmt.Errorf("reps %d, accepted: 1 to %d", p.suite.Reps, MaxReps)
			}
		case "warmup":
			p.suite.Warmup, err = p.duration(value, 0)
		case "duration":
			p.suite.Duration, err = p.duration(value, 1)
		case "factors":
			err = p.readFactors(value)
		case "exclude":
			err = p.readExclude(value)
		case "options":
			err = p.readOptions(value)
		default:
			return p.at(keyNode, nearest.Error("field", key, fields))
		}
		return p.at(value, err)
	})
}

// mapping visits the pairs of a mapping; a key that comes twice is refused.
func (p *yamlReader) mapping(n ast.Node, what string, visit func(key string, keyNode, value ast.Node) error) error {
	m, ok := n.(ast.MapNode)
	if !ok {
		return p.at(n, fmt.Errorf("%s must be a mapping (name: value)", what))
	}
	seen := make(map[string]bool)
	for it := m.MapRange(); it.Next(); {
		key, err := p.scalar(it.Key())
		if err != nil {
			return err
		}
		if seen[key] {
			return p.at(it.Key(), fmt.Errorf("%q comes twice in %s", key, what))
		}
		seen[key] = true
		if err := visit(key, it.Key(), it.Value()); err != nil {
			return err
		}
	}
	return nil
}

// scalar returns a plain value as it is written in the file: 08 stays "08", 1s is "1s", and null, which
// is the name of a target, "null".
func (p *yamlReader) scalar(n ast.Node) (string, error) {
	switch n := n.(type) {
	case *ast.LiteralNode:
		return n.Value.Value, nil
	case *ast.NullNode:
		if word := n.GetToken().Value; word == "null" && n.GetToken().Type == token.NullType {
			return word, nil
		}
		return "", p.at(n, errors.New("a plain value is wanted here"))
	case ast.MapNode, *ast.SequenceNode, *ast.AnchorNode, *ast.AliasNode, *ast.TagNode, nil:
		return "", p.at(n, errors.New("a plain value is wanted here"))
	default:
		return n.GetToken().Value, nil
	}
}

func parseWith[T any](p *yamlReader, n ast.Node, parse func(string) (T, error), accepted string) (T, error) {
	s, err := p.scalar(n)
	if err != nil {
		var zero T
		return zero, err
	}
	v, err := parse(s)
	if err != nil {
		return v, p.at(n, fmt.Errorf("%q, accepted: %s", s, accepted))
	}
	return v, nil
}

func (p *yamlReader) duration(n ast.Node, least time.Duration) (time.Duration, error) {
	d, err := parseWith(p, n, time.ParseDuration, "a duration such as 500ms, 10s, 2m")
	if err == nil && (d < least || d > MaxDuration) {
		err = fmt.Errorf("duration %v, accepted: %v to %v", d, least, MaxDuration)
	}
	return d, err
}

// list returns the values of a sequence, or the one value of a plain scalar.
func (p *yamlReader) list(n ast.Node) ([]string, []ast.Node, error) {
	seq, ok := n.(*ast.SequenceNode)
	if !ok {
		s, err := p.scalar(n)
		return []string{s}, []ast.Node{n}, err
	}
	var values []string
	for _, item := range seq.Values {
		s, err := p.scalar(item)
		if err != nil {
			return nil, nil, err
		}
		values = append(values, s)
	}
	return values, seq.Values, nil
}

func (p *yamlReader) readFactors(n ast.Node) error {
	merged := maps.Clone(p.suite.Factors)
	if merged == nil {
		merged = make(map[string][]string)
	}
	p.suite.Factors, p.factorNodes = merged, make(map[string]ast.Node)
	return p.mapping(n, "factors", func(name string, nameNode, value ast.Node) error {
		f, ok := find(p.factors, name)
		if !ok {
			return p.at(nameNode, nearest.Error("factor", name, names(p.factors)))
		}
		values, nodes, err := p.list(value)
		if err != nil {
			return err
		}
		for i, v := range values {
			if err := f.Check(v); err != nil {
				return p.at(nodes[i], fmt.Errorf("factor %s: %w", name, err))
			}
			if slices.Contains(values[:i], v) {
				return p.at(nodes[i], fmt.Errorf("factor %s has %q twice", name, v))
			}
		}
		if len(values) == 0 {
			return p.at(value, fmt.Errorf("factor %s has no values", name))
		}
		merged[name], p.factorNodes[name] = values, nameNode
		return nil
	})
}

func (p *yamlReader) readExclude(n ast.Node) error {
	seq, ok := n.(*ast.SequenceNode)
	if !ok {
		return p.at(n, errors.New("exclude must be a list of {factor: value, …}"))
	}
	for _, item := range seq.Values {
		cell := make(map[string]string)
		err := p.mapping(item, "an exclusion", func(name string, nameNode, value ast.Node) error {
			v, err := p.scalar(value)
			if err != nil {
				return err
			}
			cell[name] = v
			err = checkFactor(p.factors, name, []string{v})
			if _, ok := find(p.factors, name); ok {
				return p.at(value, err)
			}
			return p.at(nameNode, err)
		})
		if err != nil {
			return err
		}
		p.suite.Exclude = append(p.suite.Exclude, cell)
	}
	return nil
}

func (p *yamlReader) readOptions(n ast.Node) error {
	all := make(map[string]map[string]any)
	err := p.mapping(n, "options", func(component string, keyNode, value ast.Node) error {
		decoded, err := p.plain(value, 0)
		if err != nil {
			return err
		}
		options, ok := decoded.(map[string]any)
		if !ok {
			return p.at(value, fmt.Errorf("the options of %s must be a mapping (name: value)", component))
		}
		all[component] = options
		if p.checkOptions == nil {
			return nil
		}
		if err := p.checkOptions(component, options); err != nil {
			return p.at(p.wrongOption(component, options, keyNode, value), err)
		}
		return nil
	})
	p.suite.Options = all
	return err
}

// wrongOption is the place of the first option that is wrong by itself, or that of the component if all
// are well but not together.
func (p *yamlReader) wrongOption(component string, options map[string]any, keyNode, value ast.Node) ast.Node {
	if p.checkOptions(component, nil) != nil {
		return keyNode
	}
	for it := value.(ast.MapNode).MapRange(); it.Next(); {
		if name, err := p.scalar(it.Key()); err == nil && p.checkOptions(component, map[string]any{name: options[name]}) != nil {
			return it.Key()
		}
	}
	return keyNode
}

// plain decodes a value of scalars, lists and mappings. Numbers are finite, aliases and tags are
// refused, so that the work is bounded by the size of the file.
func (p *yamlReader) plain(n ast.Node, depth int) (any, error) {
	if depth > maxDepth {
		return nil, p.at(n, fmt.Errorf("nested more than %d deep", maxDepth))
	}
	switch v := n.(type) {
	case ast.MapNode:
		m := make(map[string]any)
		err := p.mapping(n, "options", func(key string, _, value ast.Node) error {
			decoded, err := p.plain(value, depth+1)
			m[key] = decoded
			return err
		})
		return m, err
	case *ast.SequenceNode:
		list := make([]any, 0, len(v.Values))
		for _, item := range v.Values {
			decoded, err := p.plain(item, depth+1)
			if err != nil {
				return nil, err
			}
			list = append(list, decoded)
		}
		return list, nil
	case *ast.BoolNode:
		return v.Value, nil
	case *ast.IntegerNode:
		return v.Value, nil
	case *ast.FloatNode:
		return v.Value, nil
	case *ast.NullNode:
		return nil, p.at(n, errors.New("a plain value is wanted here"))
	case *ast.InfinityNode, *ast.NanNode:
		return nil, p.at(n, fmt.Errorf("%s, accepted: a finite number", n.GetToken().Value))
	default:
		return p.scalar(n)
	}
}
