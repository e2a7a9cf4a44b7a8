# tools/Compare-ImageSchema.ps1, with a checkout made of the project's own schemas.

BeforeAll {
    Import-Module "$PSScriptRoot/Support.psm1"
    $folder = Enter-CracTest
    $root = [IO.Path]::GetFullPath("$PSScriptRoot/../..")
    $format = "$root/src/PSCrac.Native/Images/Format"
    $checkout = "$folder/criu"

    function Compare-Schema { & "$root/tools/Compare-ImageSchema.ps1" $checkout }

    function Edit-Schema([string] $File, [string] $From, [string] $To) {
        $text = Get-Content -LiteralPath "$checkout/images/$File" -Raw
        $text.Contains($From) | Should -BeTrue -Because "$File has $From"
        Set-Content -LiteralPath "$checkout/images/$File" $text.Replace($From, $To)
    }
}

AfterAll {
    Exit-CracTest
}

Describe 'Compare-ImageSchema.ps1' {
    BeforeEach {
        $null = New-Item -ItemType Directory "$checkout/images", "$checkout/criu/include" -Force
        Copy-Item "$format/Schemas/*.proto" "$checkout/images"
        $magics = @{ IMG_COMMON = '0x54564319'; IMG_SERVICE = '0x55105940'; KDAT = '0x57023458' }
        foreach ($known in [regex]::Matches((Get-Content -LiteralPath "$format/ImageType.cs" -Raw), 'Register\((0x\w+), "(\w+)"')) {
            $magics[$known.Groups[2].Value] = $known.Groups[1].Value
        }
        $magics.Keys.ForEach({ "#define ${_}_MAGIC $($magics[$_]) /* a town */" }) | Set-Content -LiteralPath "$checkout/criu/include/magic.h"
    }

    It 'finds none where there is none' {
        Compare-Schema | Should -Match '^\d{4} names of criu compared, 0 differences$'
        $LASTEXITCODE | Should -Be 0
    }

    It 'finds another number, name, label and type, a message, a value and a magic' {
        Edit-Schema process.proto 'required uint32 pgid = 3;' 'required uint32 pgid = 33;'
        Edit-Schema process.proto 'required uint32 sid = 4;' 'required uint32 session_id = 4;'
        Edit-Schema process.proto 'repeated uint32 threads = 5;' 'optional uint32 threads = 5;'
        Edit-Schema image.proto 'optional uint64 dump_uptime = 8;' 'optional uint32 dump_uptime = 8;'
        Edit-Schema image.proto 'SELINUX = 1;' 'SELINUX = 1; TOMOYO = 3;'
        Add-Content -LiteralPath "$checkout/images/image.proto" 'message new_entry { optional string text = 1 [default = "x"]; }'
        (Get-Content -LiteralPath "$checkout/criu/include/magic.h") -replace '^(#define IDS_MAGIC) \w+', '$1 0x00000001' | Set-Content -LiteralPath "$checkout/criu/include/magic.h"

        $differences = @(Compare-Schema)
        $LASTEXITCODE | Should -Be 1
        $differences[-1] | Should -Match ', 9 differences$'
        $differences[0..8] | Should -Be @(
            'inventory_entry.dump_uptime differs; in criu: optional uint32 = 8; here: optional uint64 = 8'
            'lsmtype.TOMOYO is missing here; in criu: = 3'
            'magic IDS differs; in criu: 0x00000001; here: 0x54432030'
            'new_entry is missing here; in criu: message'
            'new_entry.text is missing here; in criu: optional string = 1, x where it is absent'
            'pstree_entry.pgid differs; in criu: required uint32 = 33; here: required uint32 = 3'
            'pstree_entry.session_id is missing here; in criu: required uint32 = 4'
            'pstree_entry.sid is not in criu; here: required uint32 = 4'
            'pstree_entry.threads differs; in criu: optional uint32 = 5; here: repeated uint32 = 5'
        )
    }

    It 'says that it could not compare' {
        Remove-Item -LiteralPath "$checkout/criu/include/magic.h"
        Compare-Schema | Should -BeNullOrEmpty
        $LASTEXITCODE | Should -Be 2
    }
}
