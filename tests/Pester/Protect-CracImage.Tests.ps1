BeforeDiscovery {
    Import-Module "$PSScriptRoot/Support.psm1"
    $obstacle = Get-CriuObstacle ssh-keygen
}

BeforeAll {
    Import-Module "$PSScriptRoot/Support.psm1"
    $folder = Enter-CracTest
}

AfterAll {
    Exit-CracTest
}

Describe "Protect-CracImage$(Get-SkipNote $obstacle)" -Skip:([bool] $obstacle) {
    BeforeAll {
        foreach ($each in 'key', 'other') {
            ssh-keygen -q -t ed25519 -N '' -C $each -f "$folder/$each"
        }
        $allowed = "$folder/allowed"
        Set-Content $allowed "alice@example.com namespaces=`"pscrac`" $(Get-Content "$folder/key.pub")"
        $id = Start-TestProgram 'sleep 1000'
        $original = Invoke-CracCheckpoint -Id $id -ImagePath "$folder/original"
    }

    BeforeEach {
        $work = (New-Item -ItemType Directory "$folder/$([guid]::NewGuid())").FullName
        Copy-Item -Recurse $original.Path "$work/cr"
        chmod -R go-rwx "$work/cr"
    }

    It 'signs an image by <What>, and gives it back' -ForEach @(
        @{ What = 'path'; Protect = { Protect-CracImage "$work/cr" -SigningKey "$folder/key" } }
        @{ What = 'object'; Protect = { Get-CracImage "$work/cr" | Protect-CracImage -SigningKey "$folder/key" } }
        @{ What = 'wildcard'; Protect = { Protect-CracImage "$work/c*" -SigningKey "$folder/key" } }
    ) {
        $signed = & $Protect
        $signed | Should -BeOfType PSCrac.CracImage
        $signed.Path | Should -Be "$work/cr"
        Test-CracImage "$work/cr" -RequireSignature -AllowedSigners $allowed -Quiet | Should -BeTrue
    }

    It 'makes what ssh-keygen verifies, of a manifest with the hash of each file' {
        $null = Protect-CracImage "$work/cr" -SigningKey "$folder/key"
        Get-Content "$work/cr/pscrac.json" -Raw -AsByteStream |
            ssh-keygen -Y verify -n pscrac -I alice@example.com -f $allowed -s "$work/cr/pscrac.json.sig" | Should -Match 'Good "pscrac" signature'
        $files = (Get-Content "$work/cr/pscrac.json" -Raw | ConvertFrom-Json).files
        $files.Count | Should -BeGreaterThan 5
        foreach ($each in $files) {
            $each.sha256 | Should -Be (Get-FileHash "$work/cr/$($each.name)").Hash
        }
    }

    It 'signs nothing with -WhatIf' {
        Protect-CracImage "$work/cr" -SigningKey "$folder/key" -WhatIf
        Test-Path "$work/cr/pscrac.json.sig" | Should -BeFalse
    }

    It 'reports a key that is not there for each image, and goes on' {
        $made = Protect-CracImage "$work/cr", $original.Path -SigningKey "$work/none" -ErrorVariable failed -ErrorAction SilentlyContinue
        $made | Should -BeNullOrEmpty
        $failed.Count | Should -Be 2
        $failed[0].FullyQualifiedErrorId | Should -BeLike 'SignatureInvalid,*'
        $failed[0].Exception.RecommendedAction | Should -Match 'private key'
    }

    It 'names the signer in Test-CracImage, verified or claimed' {
        $null = Protect-CracImage "$work/cr" -SigningKey "$folder/key"
        (Test-CracImage "$work/cr" | Where-Object What -EQ signature).Why | Should -Match 'claims to be signed'
        (Test-CracImage "$work/cr" -RequireSignature -AllowedSigners $allowed | Where-Object What -EQ signature).Why | Should -Match 'alice@example\.com'
    }

    It 'is required by Restore-CracProcess: <What> is refused as <Reason>, and nothing runs' -ForEach @(
        @{ What = 'an unsigned image'; Reason = 'SignatureMissing'; Change = { } }
        @{ What = 'another signer'; Reason = 'SignerNotAllowed'; Change = { $null = Protect-CracImage "$work/cr" -SigningKey "$folder/other" } }
        @{ What = 'a changed manifest'; Reason = 'SignatureInvalid'; Change = {
                $null = Protect-CracImage "$work/cr" -SigningKey "$folder/key"
                Add-Content "$work/cr/pscrac.json" ' ' -NoNewline
            }
        }
    ) {
        & $Change
        { Restore-CracProcess "$work/cr" -RequireSignature -AllowedSigners $allowed -ErrorAction Stop } | Should -Throw -ErrorId "$Reason,*"
        Test-Running $id | Should -BeFalse
    }

    It 'takes the allowed signers from the environment' {
        $null = Protect-CracImage "$work/cr" -SigningKey "$folder/key"
        Set-TestVariable PSCRAC_ALLOWED_SIGNERS $allowed
        Test-CracImage "$work/cr" -RequireSignature -Quiet | Should -BeTrue
        Set-TestVariable PSCRAC_ALLOWED_SIGNERS "$folder/none"
        Test-CracImage "$work/cr" -RequireSignature -Quiet | Should -BeFalse
        Set-TestVariable PSCRAC_ALLOWED_SIGNERS ''
    }

    It 'finds changed memory with Test-CracImage -Full' {
        $null = Protect-CracImage "$work/cr" -SigningKey "$folder/key"
        $pages = (Get-Item "$work/cr/pages-*.img")[0].FullName
        $bytes = [IO.File]::ReadAllBytes($pages)
        $bytes[$bytes.Length / 2] = $bytes[$bytes.Length / 2] -bxor 1
        [IO.File]::WriteAllBytes($pages, $bytes)
        Test-CracImage "$work/cr" -RequireSignature -AllowedSigners $allowed -Quiet | Should -BeTrue
        Test-CracImage "$work/cr" -RequireSignature -AllowedSigners $allowed -Quiet -Full | Should -BeFalse
    }

    It 'lets Start-CracProcess -OrRestore restore what is signed, and nothing else' {
        $arguments = @{
            FilePath = 'sleep'; ArgumentList = '1000'; ImagePath = "$work/started"; OrRestore = $true
        }
        $first = Start-CracProcess @arguments
        Add-TestProgram $first.Id
        Stop-Process -Id $first.Id
        Wait-Until { -not (Test-Running $first.Id) } 'the program has ended'

        { Start-CracProcess @arguments -RequireSignature -AllowedSigners $allowed } | Should -Throw -ErrorId 'SignatureMissing,*'
        $null = Protect-CracImage "$work/started" -SigningKey "$folder/key"
        $second = Start-CracProcess @arguments -RequireSignature -AllowedSigners $allowed
        Add-TestProgram $second.Id
        $second.IsRestored | Should -BeTrue
    }

    It 'is refused by Start-CracProcess without -OrRestore' {
        { Start-CracProcess sleep 1000 -ImagePath "$work/new" -RequireSignature } | Should -Throw -ErrorId 'OptionRefused,*'
    }
}
