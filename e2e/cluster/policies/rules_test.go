package main

import (
	"context"
	"slices"
	"strings"
	"testing"

	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/knftables"
)

var refuse = []string{"meta l4proto tcp reject with tcp reset", "reject"}

// The pods of the tests: three of bl01, one of a namespace that watches, and some that no policy is about.
func state(t *testing.T, policies ...string) State {
	pod := func(namespace, name, address string, ports ...core.ContainerPort) *core.Pod {
		return &core.Pod{
			ObjectMeta: meta.ObjectMeta{Namespace: namespace, Name: name, Labels: map[string]string{"part": name}},
			Spec:       core.PodSpec{Containers: []core.Container{{Ports: ports}}},
			Status:     core.PodStatus{PodIP: address, Phase: core.PodRunning},
		}
	}
	http := core.ContainerPort{Name: "http", ContainerPort: 60610}
	ended := pod("bl01", "queue", "10.0.0.7")
	ended.Status.Phase = core.PodSucceeded
	ofNode := pod("bl01", "queue", "10.88.0.1")
	ofNode.Spec.HostNetwork = true
	made := State{
		Pods: []*core.Pod{
			pod("bl01", "worker", "10.0.0.3"),
			pod("bl01", "queue", "10.0.0.2", http),
			pod("bl01", "queue", "10.0.0.1", core.ContainerPort{Name: "http", ContainerPort: 80, Protocol: core.ProtocolTCP}),
			pod("monitoring", "scraper", "10.0.0.9"),
			pod("bl01", "queue", ""), ended, ofNode,
		},
		Namespaces: []*core.Namespace{
			{ObjectMeta: meta.ObjectMeta{Name: "bl01", Labels: map[string]string{"kind": "beamline"}}},
			{ObjectMeta: meta.ObjectMeta{Name: "monitoring", Labels: map[string]string{"kind": "tools"}}},
		},
	}
	for _, text := range policies {
		policy := &networking.NetworkPolicy{ObjectMeta: meta.ObjectMeta{Namespace: "bl01"}}
		if err := yaml.UnmarshalStrict([]byte(text), &policy.Spec); err != nil {
			t.Fatal(err)
		}
		made.Policies = append(made.Policies, policy)
	}
	return made
}

func TestNobodyIsIsolatedWithoutPolicies(t *testing.T) {
	judge := translate(state(t))[judgeChain]
	if slices.ContainsFunc(judge, func(rule string) bool { return strings.Contains(rule, "jump") }) {
		t.Errorf("%q", judge)
	}
}

func TestAPodIsIsolatedInTheDirectionsOfItsPoliciesAlone(t *testing.T) {
	rules := translate(state(t, `{podSelector: {matchLabels: {part: queue}}, policyTypes: [Ingress]}`,
		`{podSelector: {matchLabels: {part: worker}}, policyTypes: [Egress]}`))
	expect(t, rules[judgeChain],
		"ct state established,related accept",
		"ip saddr . ip daddr { 10.0.0.1 . 10.0.0.1, 10.0.0.2 . 10.0.0.2, 10.0.0.3 . 10.0.0.3, 10.0.0.9 . 10.0.0.9 } accept",
		"ip saddr { 10.0.0.3 } jump egress",
		"ip daddr { 10.0.0.1, 10.0.0.2 } jump ingress",
	)
	expect(t, rules[ingressChain], refuse...)
	expect(t, rules[egressChain], refuse...)
}

func TestWhatRulesAllow(t *testing.T) {
	const to = "ip daddr { 10.0.0.1, 10.0.0.2 } "
	cases := map[string]struct {
		rule string
		want []string
	}{
		"anybody":                      {`{}`, []string{to + "return"}},
		"neighbours":                   {`{from: [{podSelector: {}}]}`, []string{"ip saddr { 10.0.0.1, 10.0.0.2, 10.0.0.3 } " + to + "return"}},
		"some neighbours":              {`{from: [{podSelector: {matchLabels: {part: worker}}}]}`, []string{"ip saddr { 10.0.0.3 } " + to + "return"}},
		"a namespace":                  {`{from: [{namespaceSelector: {matchLabels: {kind: tools}}}]}`, []string{"ip saddr { 10.0.0.9 } " + to + "return"}},
		"every namespace":              {`{from: [{namespaceSelector: {}}]}`, []string{"ip saddr { 10.0.0.1, 10.0.0.2, 10.0.0.3, 10.0.0.9 } " + to + "return"}},
		"both selectors, none matches": {`{from: [{namespaceSelector: {matchLabels: {kind: tools}}, podSelector: {matchLabels: {part: worker}}}]}`, nil},
		"a union of peers": {`{from: [{podSelector: {matchLabels: {part: worker}}}, {ipBlock: {cidr: 10.9.0.0/16}}]}`,
			[]string{"ip saddr { 10.0.0.3 } " + to + "return", "ip saddr 10.9.0.0/16 " + to + "return"}},
		"a block with exceptions": {`{from: [{ipBlock: {cidr: 10.0.0.0/8, except: [10.1.0.0/16, 10.2.0.0/16]}}]}`,
			[]string{"ip saddr 10.0.0.0/8 ip saddr != 10.1.0.0/16 ip saddr != 10.2.0.0/16 " + to + "return"}},
		"a block of version 6": {`{from: [{ipBlock: {cidr: "fd00::/8"}}]}`, nil},
		"ports": {`{ports: [{port: 80}, {port: 5064, protocol: UDP}, {port: 1000, endPort: 2000}, {protocol: UDP}]}`,
			[]string{to + "tcp dport 80 return", to + "udp dport 5064 return", to + "tcp dport 1000-2000 return", to + "meta l4proto udp return"}},
		"a named port": {`{ports: [{port: http}]}`,
			[]string{"ip daddr { 10.0.0.1 } tcp dport 80 return", "ip daddr { 10.0.0.2 } tcp dport 60610 return"}},
		"a named port of another protocol": {`{ports: [{port: http, protocol: UDP}]}`, nil},
	}
	for name, each := range cases {
		t.Run(name, func(t *testing.T) {
			policy := `{podSelector: {matchLabels: {part: queue}}, policyTypes: [Ingress], ingress: [` + each.rule + `]}`
			expect(t, translate(state(t, policy))[ingressChain], append(each.want, refuse...)...)
		})
	}
}

func TestTheNamedPortsOfEgressAreThoseOfTheOtherEnd(t *testing.T) {
	const from = "ip saddr { 10.0.0.3 } "
	cases := map[string]struct {
		to   string
		want []string
	}{
		"pods":     {`[{podSelector: {matchLabels: {part: queue}}}]`, []string{from + "ip daddr { 10.0.0.1 } tcp dport 80 return", from + "ip daddr { 10.0.0.2 } tcp dport 60610 return"}},
		"anybody":  {`[]`, []string{from + "ip daddr { 10.0.0.1 } tcp dport 80 return", from + "ip daddr { 10.0.0.2 } tcp dport 60610 return"}},
		"no names": {`[{ipBlock: {cidr: 10.0.0.0/8}}]`, nil},
	}
	for name, each := range cases {
		t.Run(name, func(t *testing.T) {
			policy := `{podSelector: {matchLabels: {part: worker}}, policyTypes: [Egress], egress: [{ports: [{port: http}], to: ` + each.to + `}]}`
			expect(t, translate(state(t, policy))[egressChain], append(each.want, refuse...)...)
		})
	}
}

func TestThePoliciesOfAPodAddUp(t *testing.T) {
	rules := translate(state(t, `{podSelector: {matchLabels: {part: worker}}, policyTypes: [Ingress]}`,
		`{podSelector: {}, policyTypes: [Ingress], ingress: [{ports: [{port: 1}]}]}`,
		`{podSelector: {matchLabels: {part: worker}}, policyTypes: [Ingress], ingress: [{ports: [{port: 2}]}]}`))
	expect(t, rules[ingressChain], append([]string{
		"ip daddr { 10.0.0.1, 10.0.0.2, 10.0.0.3 } tcp dport 1 return",
		"ip daddr { 10.0.0.3 } tcp dport 2 return",
	}, refuse...)...)
}

func TestATableIsReplacedWhole(t *testing.T) {
	table := knftables.NewFake(knftables.IPv4Family, tableName)
	isolated := `{podSelector: {}, policyTypes: [Ingress], ingress: [{ports: [{port: 1}]}]}`
	for _, rules := range []Rules{translate(state(t, isolated)), translate(state(t))} {
		if err := table.Run(context.Background(), transaction(table, rules)); err != nil {
			t.Fatal(err)
		}
		for name, ordered := range rules {
			var found []string
			for _, rule := range table.Table.Chains[name].Rules {
				found = append(found, rule.Rule)
			}
			expect(t, found, ordered...)
		}
	}
}

func expect(t *testing.T, found []string, want ...string) {
	t.Helper()
	if !slices.Equal(found, want) {
		t.Errorf("found:\n  %s\nwanted:\n  %s", strings.Join(found, "\n  "), strings.Join(want, "\n  "))
	}
}
