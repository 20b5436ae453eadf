import { describe, expect, it } from 'vitest';
import { exactInputs } from '../../../src/ir/ops/exact_inputs.js';
import { allOperatorSchemas, type OperatorSchema } from '../../../src/ir/ops/operator_schema.js';
import { outputTypeAttribute } from '../../../src/ir/ops/output_type.js';

/** Their types come from elsewhere: bits, the constant, the branches, or what a sequence or an optional holds. */
const otherwise = ['BitCast', 'Constant', 'If', 'ConcatFromSequence', 'SequenceAt', 'OptionalGetElement'];

const facts = ({ domain, name }: OperatorSchema) => ({ domain, opType: name });

describe('what names the type of an output', () => {
  it('is known of every standard operator whose inputs do not', () => {
    const missing = allOperatorSchemas().flatMap((schema) => {
      if (schema.domain !== '' || otherwise.includes(schema.name)) return [];
      const isOpen = schema.outputs.some(({ type }, index) => {
        const types = schema.typeConstraints[type];
        if (!types?.includes('tensor(float)') || types.length === 1) return false;
        if (schema.inputs.some((input) => input.type === type)) return false;
        return !outputTypeAttribute(facts(schema))?.outputs.includes(index);
      });
      return isOpen ? [`${schema.name} ${schema.since}`] : [];
    });
    expect(missing).toEqual([]);
  });

  it('is an attribute of the newest version of the operator, and follows an input that there is', () => {
    const listed = allOperatorSchemas().filter((schema) => outputTypeAttribute(facts(schema)) !== undefined);
    const newest = new Map(listed.map((schema) => [schema.name, schema]));
    expect(newest.size).toBe(14);
    for (const schema of newest.values()) {
      const { name, follows, outputs } = outputTypeAttribute(facts(schema))!;
      expect([schema.name, schema.attributes.has(name)]).toEqual([schema.name, true]);
      expect(Math.max(...outputs, follows ?? 0)).toBeLessThan(Math.max(schema.outputs.length, schema.inputs.length));
    }
  });
});

describe('exactInputs', () => {
  it('names inputs that their operators have', () => {
    const beyond = allOperatorSchemas().filter(
      (schema) => schema.since > 6 && exactInputs(facts(schema)).some((index) => index > schema.inputs.length),
    );
    expect(beyond.map(({ name }) => name)).toEqual([]);
    expect(exactInputs({ domain: '', opType: 'Resize' })).toEqual([1, 2]);
    expect(exactInputs({ domain: 'com.example', opType: 'Resize' })).toEqual([]);
    expect(exactInputs({ domain: '', opType: 'constructor' })).toEqual([]);
  });
});
