"""Exports networks with random weights by both PyTorch exporters, for comparison.

    python bench/peers/export_models.py OUTPUT [NAME...]

Writes NAME_ts.onnx (TorchScript exporter) and NAME_dynamo.onnx into OUTPUT; what exists is left. Needs torch, timm,
transformers and onnx. `npm run bench -- --only simplify --models OUTPUT` reads the folder.
"""

import os
import sys
import time
import traceback
import torch
import torch.nn as nn
torch.manual_seed(0)
torch.set_num_threads(1)
OUT = sys.argv[1].rstrip('/') + '/'
os.makedirs(OUT, exist_ok=True)



def save(name, model, args, input_names, output_names, dynamic_axes=None, dynamic_shapes=None, modes=('ts', 'dynamo'), opset=None, kwargs=None):
    model.eval()
    for mode in modes:
        path = f'{OUT}{name}_{mode}.onnx'
        if os.path.exists(path):
            continue
        t = time.time()
        try:
            tmp = path + '.tmp'
            with torch.no_grad():
                if mode == 'ts':
                    torch.onnx.export(model, args, tmp, input_names=input_names, output_names=output_names, dynamic_axes=dynamic_axes, opset_version=opset or 17, dynamo=False, do_constant_folding=True)
                else:
                    torch.onnx.export(model, args, tmp, input_names=input_names, output_names=output_names, dynamic_shapes=dynamic_shapes, dynamo=True, opset_version=opset or 18, external_data=False, optimize=True, verbose=False)
            os.rename(tmp, path)
            import onnx
            m = onnx.load(path)
            print(name, mode, 'nodes', len(m.graph.node), 'bytes', os.path.getsize(path), 'functions', len(m.functions), f'{time.time() - t:.1f}s', flush=True)
        except Exception as e:
            print('FAILED', name, mode, type(e).__name__, str(e)[:500], flush=True)



class Wrap(nn.Module):

    def __init__(s, f, m):
        super().__init__()
        s.m = m
        s.f = f

    def forward(s, *a):
        return s.f(s.m, *a)



def bert2():
    from transformers import BertModel, BertConfig
    m = BertModel(BertConfig(num_hidden_layers=2, hidden_size=128, num_attention_heads=4, intermediate_size=512, vocab_size=1000, max_position_embeddings=128, attn_implementation='eager'))
    w = Wrap(lambda m, i, a, t: m(input_ids=i, attention_mask=a, token_type_ids=t, return_dict=False)[:2], m)
    ids = torch.randint(0, 1000, (2, 16))
    att = torch.ones(2, 16, dtype=torch.int64)
    tt = torch.zeros(2, 16, dtype=torch.int64)
    B = torch.export.Dim('batch', min=1, max=64)
    S = torch.export.Dim('sequence', min=2, max=128)
    save('bert2', w, (ids, att, tt), ['input_ids', 'attention_mask', 'token_type_ids'], ['last_hidden_state', 'pooler_output'], {n: {0: 'batch', 1: 'sequence'} for n in ['input_ids', 'attention_mask', 'token_type_ids', 'last_hidden_state']} | {'pooler_output': {0: 'batch'}}, (({0: B, 1: S}, {0: B, 1: S}, {0: B, 1: S}),))
    m = BertModel(BertConfig(num_hidden_layers=2, hidden_size=128, num_attention_heads=4, intermediate_size=512, vocab_size=1000, max_position_embeddings=128, attn_implementation='sdpa'))
    w = Wrap(lambda m, i, a, t: m(input_ids=i, attention_mask=a, token_type_ids=t, return_dict=False)[:2], m)
    save('bert2_sdpa', w, (ids, att, tt), ['input_ids', 'attention_mask', 'token_type_ids'], ['last_hidden_state', 'pooler_output'], {n: {0: 'batch', 1: 'sequence'} for n in ['input_ids', 'attention_mask', 'token_type_ids', 'last_hidden_state']} | {'pooler_output': {0: 'batch'}}, (({0: B, 1: S}, {0: B, 1: S}, {0: B, 1: S}),))



def vision(name, tm, size=224, **k):
    import timm
    m = timm.create_model(tm, pretrained=False, **k)
    x = torch.randn(1, 3, size, size)
    D = torch.export.Dim.DYNAMIC
    if name in ('davit', 'convnext', 'vit'):
        save(name, m, (torch.cat([x, x]),), ['x'], ['y'], {'x': {0: 'batch'}, 'y': {0: 'batch'}}, ({0: D},))
    else:
        save(name, m, (x,), ['x'], ['y'])



def resnet():
    import timm
    m = timm.create_model('resnet18', pretrained=False)
    for mod in m.modules():
        if isinstance(mod, nn.BatchNorm2d):
            mod.running_mean.uniform_(-0.5, 0.5)
            mod.running_var.uniform_(0.5, 2)
            nn.init.uniform_(mod.weight, 0.5, 1.5)
            nn.init.uniform_(mod.bias, -0.5, 0.5)
    B = torch.export.Dim('batch', min=1, max=64)
    m.eval()
    x = torch.randn(2, 3, 64, 64)
    path = 'resnet18'
    save('resnet18', m, (x,), ['x'], ['y'], {'x': {0: 'batch'}, 'y': {0: 'batch'}}, ({0: B},))
    p = OUT + 'resnet18_bn_ts.onnx'
    if not os.path.exists(p):
        torch.onnx.export(m, (x,), p, input_names=['x'], output_names=['y'], dynamic_axes={'x': {0: 'batch'}, 'y': {0: 'batch'}}, opset_version=17, dynamo=False, training=torch.onnx.TrainingMode.PRESERVE, do_constant_folding=False)
        print('resnet18_bn ts', flush=True)



def gpt2():
    from transformers import GPT2LMHeadModel, GPT2Config
    from transformers.cache_utils import DynamicCache
    m = GPT2LMHeadModel(GPT2Config(n_layer=2, n_embd=128, n_head=4, vocab_size=1000, n_positions=128, attn_implementation='eager'))

    class G(nn.Module):

        def __init__(s):
            super().__init__()
            s.m = m

        def forward(s, ids, mask, k0, v0, k1, v1):
            c = DynamicCache()
            c.update(k0, v0, 0)
            c.update(k1, v1, 1)
            o = s.m(input_ids=ids, attention_mask=mask, past_key_values=c, use_cache=True)
            pk = o.past_key_values
            return (o.logits, pk.layers[0].keys, pk.layers[0].values, pk.layers[1].keys, pk.layers[1].values)
    P = 5
    S = 3
    b = 2
    args = (torch.randint(0, 1000, (b, S)), torch.ones(b, P + S, dtype=torch.int64)) + tuple((torch.randn(b, 4, P, 32) for _ in range(4)))
    inn = ['input_ids', 'attention_mask', 'past_k0', 'past_v0', 'past_k1', 'past_v1']
    out = ['logits', 'k0', 'v0', 'k1', 'v1']
    da = {'input_ids': {0: 'batch', 1: 'sequence'}, 'attention_mask': {0: 'batch', 1: 'total'}, 'logits': {0: 'batch', 1: 'sequence'}}
    for n in inn[2:]:
        da[n] = {0: 'batch', 2: 'past'}
    for n in out[1:]:
        da[n] = {0: 'batch', 2: 'total'}
    B = torch.export.Dim('batch', min=1, max=64)
    Sd = torch.export.Dim('sequence', min=2, max=64)
    Pd = torch.export.Dim('past', min=2, max=60)
    D = torch.export.Dim.DYNAMIC
    save('gpt2_kv', G(), args, inn, out, da, ({0: D, 1: D}, {0: D, 1: D}) + tuple(({0: D, 2: D} for _ in range(4))))



def llama():
    from transformers import LlamaForCausalLM, LlamaConfig
    from transformers.cache_utils import DynamicCache
    m = LlamaForCausalLM(LlamaConfig(num_hidden_layers=2, hidden_size=128, num_attention_heads=4, num_key_value_heads=2, intermediate_size=256, vocab_size=1000, max_position_embeddings=128, attn_implementation='eager'))
    with torch.no_grad():
        for p in m.parameters():
            if p.dim() == 1:
                p.uniform_(0.5, 1.5)

    class L(nn.Module):

        def __init__(s):
            super().__init__()
            s.m = m

        def forward(s, ids):
            return s.m(input_ids=ids, use_cache=False).logits
    D = torch.export.Dim.DYNAMIC
    save('llama2l', L(), (torch.randint(0, 1000, (2, 16)),), ['input_ids'], ['logits'], {'input_ids': {0: 'batch', 1: 'sequence'}, 'logits': {0: 'batch', 1: 'sequence'}}, ({0: D, 1: D},))

    class G(nn.Module):

        def __init__(s):
            super().__init__()
            s.m = m

        def forward(s, ids, mask, k0, v0, k1, v1):
            c = DynamicCache()
            c.update(k0, v0, 0)
            c.update(k1, v1, 1)
            o = s.m(input_ids=ids, attention_mask=mask, past_key_values=c, use_cache=True)
            pk = o.past_key_values
            return (o.logits, pk.layers[0].keys, pk.layers[0].values, pk.layers[1].keys, pk.layers[1].values)
    P = 5
    S = 3
    b = 2
    args = (torch.randint(0, 1000, (b, S)), torch.ones(b, P + S, dtype=torch.int64)) + tuple((torch.randn(b, 2, P, 32) for _ in range(4)))
    inn = ['input_ids', 'attention_mask', 'past_k0', 'past_v0', 'past_k1', 'past_v1']
    out = ['logits', 'k0', 'v0', 'k1', 'v1']
    da = {'input_ids': {0: 'batch', 1: 'sequence'}, 'attention_mask': {0: 'batch', 1: 'total'}, 'logits': {0: 'batch', 1: 'sequence'}}
    for n in inn[2:]:
        da[n] = {0: 'batch', 2: 'past'}
    for n in out[1:]:
        da[n] = {0: 'batch', 2: 'total'}
    save('llama2l_kv', G(), args, inn, out, da, ({0: D, 1: D}, {0: D, 1: D}) + tuple(({0: D, 2: D} for _ in range(4))))



def t5():
    from transformers import T5EncoderModel, T5Config
    m = T5EncoderModel(T5Config(num_layers=2, d_model=128, d_kv=32, d_ff=256, num_heads=4, vocab_size=1000, feed_forward_proj='gated-gelu'))
    w = Wrap(lambda m, i, a: m(input_ids=i, attention_mask=a, return_dict=False)[0], m)
    D = torch.export.Dim.DYNAMIC
    save('t5_encoder', w, (torch.randint(0, 1000, (2, 16)), torch.ones(2, 16, dtype=torch.int64)), ['input_ids', 'attention_mask'], ['last_hidden_state'], {n: {0: 'batch', 1: 'sequence'} for n in ['input_ids', 'attention_mask', 'last_hidden_state']}, (({0: D, 1: D}, {0: D, 1: D}),))



def whisper():
    from transformers import WhisperConfig
    from transformers.models.whisper.modeling_whisper import WhisperEncoder
    m = WhisperEncoder(WhisperConfig(d_model=128, encoder_layers=4, encoder_attention_heads=4, encoder_ffn_dim=512, num_mel_bins=80, max_source_positions=200, vocab_size=1000, pad_token_id=0, bos_token_id=1, eos_token_id=2, decoder_start_token_id=1))
    w = Wrap(lambda m, x: m(x, return_dict=False)[0], m)
    D = torch.export.Dim.DYNAMIC
    save('whisper_encoder', w, (torch.randn(2, 80, 400),), ['mel'], ['hidden'], {'mel': {0: 'batch'}, 'hidden': {0: 'batch'}}, (({0: D},),))


jobs = {'bert2': bert2, 'gpt2': gpt2, 'llama': llama, 't5': t5, 'whisper': whisper, 'resnet': resnet, 'davit': lambda: vision('davit', 'davit_tiny'), 'vit': lambda: vision('vit', 'vit_tiny_patch16_224'), 'swin': lambda: vision('swin', 'swin_tiny_patch4_window7_224'), 'convnext': lambda: vision('convnext', 'convnext_atto')}


for n in sys.argv[2:] or jobs:
    try:
        jobs[n]()
    except Exception:
        traceback.print_exc()
