# Import-CracImage of what is signed: the six lines of a signed image's way to another machine, and what each of them refuses.

BeforeDiscovery {
    Import-Module "$PSScriptRoot/Support.psm1"
    $obstacle = Get-CriuObstacle age, ssh-keygen, tar, zstd
    $kestrelObstacle = (Get-CriuObstacle dotnet, ssh-keygen, zstd) ?? ((dotnet --list-runtimes) -match '^Microsoft\.AspNetCore\.App 10\.' ? $null : 'there is no ASP.NET Core 10')
}

BeforeAll {
    Import-Module "$PSScriptRoot/Support.psm1"
    $folder = Enter-CracTest
}

AfterAll {
    Exit-CracTest
}

Describe "Import-CracImage of signed images$(Get-SkipNote $obstacle)" -Skip:([bool] $obstacle) {
    BeforeAll {
        ssh-keygen -q -t ed25519 -N '' -C me -f "$folder/key"
        ssh-keygen -q -t ed25519 -N '' -C other -f "$folder/other"
        age-keygen -o "$folder/key.txt" 2>$null
        $recipient = age-keygen -y "$folder/key.txt"
        $allowed = "$folder/allowed"
        Set-Content $allowed "alice@example.com namespaces=`"pscrac`" $(Get-Content "$folder/key.pub")"
        Set-Content "$folder/nobody" '# nobody'
        $numbers = "$folder/numbers"
        $id = Start-Count $numbers
        $image = Invoke-CracCheckpoint -Id $id -ImageName app | Protect-CracImage -SigningKey "$folder/key"
    }

    BeforeEach {
        Set-TestVariable 'PSCRAC_ALLOWED_SIGNERS' $allowed
        $work = (New-Item -ItemType Directory "$folder/$([guid]::NewGuid())").FullName
    }

    It 'takes a signed image elsewhere, encrypted, and the image is restored from there and from an archive' {
        $null = Protect-CracImage app -SigningKey "$folder/key"
        $null = Export-CracImage app -DestinationPath "$work/app.tar.zst"
        $null = Export-CracImage app -DestinationPath "$work/app.tar.zst.age" -Recipient $recipient
        tar --zstd -tf "$work/app.tar.zst" | Should -Contain 'checkpoint/pscrac.json.sig'
        $said = Import-CracImage "$work/app.tar.zst.age" -Identity "$folder/key.txt" -ImageName app2 -RequireSignature -Verbose 4>&1
        "$said" | Should -Match 'signed by alice@example\.com, with the key ssh-ed25519 SHA256:'
        $before = @(Get-Content $numbers).Count
        $restored = Restore-CracProcess app2
        Wait-Count $numbers ($before + 3)
        Stop-Process -Id $restored.Id -Force
        Wait-Process -Id $restored.Id -ErrorAction Ignore
        $before = @(Get-Content $numbers).Count
        $restored = Restore-CracProcess "$work/app.tar.zst" -PidNamespace Auto -RequireSignature
        Wait-Count $numbers ($before + 3)
        Stop-Process -Id $restored.Id -Force
        Wait-Process -Id $restored.Id -ErrorAction Ignore
        Remove-CracImage app2
    }

    It 'shows who claims to have signed <What>' -ForEach @(
        @{ What = 'an image'; Path = { $image.Path } }
        @{ What = 'an archive'; Path = { (Export-CracImage app "$work/app.tar").FullName } }
    ) {
        $shown = Get-CracImage (& $Path)
        $shown.ClaimedSigner | Should -Match '^ssh-ed25519 SHA256:'
        ($shown | Format-List | Out-String) | Should -Match 'ClaimedSigner *: ssh-ed25519 SHA256:'
    }

    It 'says nothing of a signer of an image that has none' {
        Copy-Item -Recurse $image.Path "$work/cr"
        Remove-Item "$work/cr/pscrac.json.sig"
        $shown = Get-CracImage "$work/cr"
        $shown.ClaimedSigner | Should -BeNullOrEmpty
        ($shown | Format-List | Out-String) | Should -Not -Match 'ClaimedSigner'
    }

    It 'refuses <What> with -RequireSignature, and leaves nothing' -ForEach @(
        @{ What = 'an image without a signature'; Id = 'SignatureMissing,*'; Change = { Remove-Item "$work/cr/pscrac.json.sig" } }
        @{ What = 'an image of an unknown signer'; Id = 'SignerNotAllowed,*'; Change = { $null = Protect-CracImage "$work/cr" -SigningKey "$folder/other" } }
        @{ What = 'a changed image'; Id = 'SignatureInvalid,*'; Change = { (Get-Content -Raw "$work/cr/pscrac.json") + ' ' | Set-Content -NoNewline "$work/cr/pscrac.json" } }
        @{ What = 'an image with a file added'; Id = 'ImageCorrupt,*'; Change = { Copy-Item "$work/cr/pages-1.img" "$work/cr/pages-9.img" } }
    ) {
        Copy-Item -Recurse $image.Path "$work/cr"
        chmod -R go-rwx "$work/cr"
        & $Change
        tar -C $work -cf "$work/cr.tar" --transform 's,^cr,checkpoint,' cr
        foreach ($source in "$work/cr", "$work/cr.tar") {
            $failure = { Import-CracImage $source -ImagePath "$work/made" -RequireSignature -ErrorAction Stop } | Should -Throw -ErrorId $Id -PassThru
            $failure.ErrorDetails.RecommendedAction | Should -Match '\.$'
        }
        (Get-ChildItem -Force $work).Name | Should -Be 'cr', 'cr.tar'
    }

    It 'imports an image of an unknown signer where no signature is required, with a warning' {
        $made = Import-CracImage $image.Path -ImagePath "$work/made" -AllowedSigners "$folder/nobody" -WarningVariable warned -WarningAction SilentlyContinue
        $made.Path | Should -Be "$work/made"
        "$warned" | Should -Match 'not verified.*does not list'
    }

    It 'imports a folder of someone else''s, which is not restored where it is' {
        Copy-Item -Recurse $image.Path "$work/theirs"
        chown -R 4321 "$work/theirs"
        $failure = { Restore-CracProcess "$work/theirs" -RequireSignature -ErrorAction Stop } | Should -Throw -ErrorId 'ImageNotTrusted,*' -PassThru
        $advice = [regex]::Match($failure.ErrorDetails.RecommendedAction, 'Import-CracImage .*-RequireSignature').Value
        $made = Invoke-Expression $advice
        $made.Name | Should -Be 'theirs'
        (Get-Item "$($made.Path)/pages-1.img").User | Should -Not -Be '4321'
        $before = @(Get-Content $numbers).Count
        $restored = Restore-CracProcess theirs -RequireSignature
        Wait-Count $numbers ($before + 3)
        Stop-Process -Id $restored.Id -Force
        Wait-Process -Id $restored.Id -ErrorAction Ignore
    }

    It "brings a Kestrel service to another name and another image root, where it answers$(Get-SkipNote $kestrelObstacle)" -Skip:([bool] $kestrelObstacle) {
        $project = Convert-Path "$PSScriptRoot/../../bench/startup/kestrel/Kestrel.csproj"
        $said = dotnet build $project --configuration Release --artifacts-path "$work/build" --output "$work/service" --nologo --verbosity quiet
        $LASTEXITCODE | Should -Be 0 -Because "$said"
        $listener = [Net.Sockets.TcpListener]::new([Net.IPAddress]::Loopback, 0)
        $listener.Start()
        $port = $listener.LocalEndpoint.Port
        $listener.Stop()
        $server = Start-TestProgram "dotnet $work/service/kestrel.dll $port"
        Wait-Until { try { (Invoke-RestMethod "http://127.0.0.1:$port/health") -eq 'up' } catch { $false } } 'the service answers'
        Invoke-RestMethod "http://127.0.0.1:$port/hello/you" | Should -Be 'Hello, you, caller 1'
        $null = Invoke-CracCheckpoint -Id $server -ImageName service -TcpClose | Protect-CracImage -SigningKey "$folder/key"
        $null = Export-CracImage service "$work/service.tar.zst"
        Set-TestVariable 'PSCRAC_IMAGE_ROOT' "$folder/elsewhere"
        try {
            $imported = Import-CracImage "$work/service.tar.zst" -ImageName web -RequireSignature
            $imported.Path | Should -Be "$folder/elsewhere/web"
            Test-Running $server | Should -BeFalse
            $restored = Restore-CracProcess web -RequireSignature
            Invoke-RestMethod "http://127.0.0.1:$port/hello/you" | Should -Be 'Hello, you, caller 2'
            Stop-Process -Id $restored.Id -Force
            Wait-Process -Id $restored.Id -ErrorAction Ignore
        }
        finally {
            Set-TestVariable 'PSCRAC_IMAGE_ROOT' "$folder/images"
        }
    }

    It 'does nothing with -WhatIf' {
        Import-CracImage $image.Path -ImagePath "$work/made" -RequireSignature -WhatIf
        Get-ChildItem -Force $work | Should -BeNullOrEmpty
    }
}
