// Validates the manifests of pictures: node read.mjs FILE... One line of JSON for each.
import * as fs from 'node:fs/promises';
import { BMFF, JPEG, PNG } from '@trustnxt/c2pa-ts/asset';
import { SuperBox } from '@trustnxt/c2pa-ts/jumbf';
import { ManifestStore } from '@trustnxt/c2pa-ts/manifest';

// The library knows no WebP: this only finds the chunk. The validation is the library's own.
class WebP {
    constructor(data) {
        this.data = data;
        for (let at = 12; at + 8 <= data.length; ) {
            const size = data.readUInt32LE(at + 4);
            if (data.toString('latin1', at, at + 4) === 'C2PA') {
                this.chunk = { start: at, length: 8 + size + (size % 2) };
                this.content = { start: at + 8, end: at + 8 + size };
            }
            at += 8 + size + (size % 2);
        }
    }
    static canRead(data) {
        return data.toString('latin1', 0, 4) === 'RIFF' && data.toString('latin1', 8, 12) === 'WEBP';
    }
    getDataLength() {
        return this.data.length;
    }
    async getDataRange(start = 0, length = this.data.length - start) {
        return new Uint8Array(this.data.subarray(start, start + length));
    }
    getManifestJUMBF() {
        return this.chunk && new Uint8Array(this.data.subarray(this.content.start, this.content.end));
    }
    getHashExclusionRange() {
        return this.chunk;
    }
    dumpInfo() {
        return 'WebP';
    }
}

// The library reads the boxes of every ISO file, but takes only HEIC and AVIF for one; and it finds the box with
// the manifest only if no other has its type, as that of XMP has. The hash and the validation are its own.
BMFF.canReadBrands.add('isom');
class WithXmp extends BMFF {
    getBoxByPath(path) {
        const type = Buffer.from(BMFF.c2paBoxUserType);
        const isManifest = (box) => box.type === 'uuid' && type.equals(box.userType);
        return path === '/uuid' ? this.getTopLevelBoxes().find(isManifest) : super.getBoxByPath(path);
    }
}

for (const file of process.argv.slice(2)) {
    const data = await fs.readFile(file);
    const Found = [JPEG, PNG, WebP, WithXmp].find((each) => each.canRead(data));
    const asset = new Found(data);
    const jumbf = asset.getManifestJUMBF();
    const told = { is_valid: false, problems: [], manifests: [] };
    if (jumbf) {
        const store = ManifestStore.read(SuperBox.fromBuffer(jumbf));
        const result = await store.validate(asset);
        told.is_valid = result.isValid;
        told.problems = result.statusEntries.filter((entry) => !entry.success).map((entry) => entry.code);
        told.manifests = store.manifests.map((manifest) => ({
            label: manifest.label,
            actions: manifest.assertions.assertions
                .filter((assertion) => assertion.label === 'c2pa.actions.v2')
                .flatMap((assertion) => assertion.actions.map((action) => String(action.action))),
            ingredients: manifest.assertions.assertions
                .filter((assertion) => assertion.label === 'c2pa.ingredient.v3')
                .map((assertion) => [assertion.title, assertion.relationship]),
        }));
    }
    console.log(JSON.stringify(told));
}
