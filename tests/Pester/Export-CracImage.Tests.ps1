# Export-CracImage and Import-CracImage, and what takes archives besides: on a real image, which is restored in the end.

BeforeDiscovery {
    Import-Module "$PSScriptRoot/Support.psm1"
    $obstacle = Get-CriuObstacle age, tar
}

BeforeAll {
    Import-Module "$PSScriptRoot/Support.psm1"
    $folder = Enter-CracTest
}

AfterAll {
    Exit-CracTest
}

Describe "Export-CracImage and Import-CracImage$(Get-SkipNote $obstacle)" -Skip:([bool] $obstacle) {
    BeforeAll {
        $numbers = "$folder/numbers"
        $id = Start-Count $numbers
        $image = Invoke-CracCheckpoint -Id $id -ImageName app
        $null = New-Item -ItemType Directory "$folder/keys"
        age-keygen -o "$folder/keys/key.txt" 2>$null
        $recipient = age-keygen -y "$folder/keys/key.txt"
    }

    BeforeEach {
        $work = (New-Item -ItemType Directory "$folder/$([guid]::NewGuid())").FullName
    }

    It 'exports by <What>, and gives the file' -ForEach @(
        @{ What = 'name'; Export = { Export-CracImage app "$work/app.tar.zst" } }
        @{ What = 'object'; Export = { $image | Export-CracImage -DestinationPath "$work/app.tar.zst" } }
        @{ What = 'literal path'; Export = { Export-CracImage -LiteralPath $image.Path -DestinationPath "$work/app.tar.zst" } }
        @{ What = 'folder'; Export = { Export-CracImage app $work } }
    ) {
        $file = & $Export
        $file | Should -BeOfType IO.FileInfo
        $file.FullName | Should -Be "$work/app.tar.zst"
        (Get-ChildItem -Force $work).Name | Should -Be 'app.tar.zst'
    }

    It 'restores an archive that was imported under another name and another image root' {
        Set-TestVariable 'PSCRAC_IMAGE_ROOT' "$folder/elsewhere"
        try {
            $null = Export-CracImage $image.Path "$work/app.tar.zst"
            $imported = Import-CracImage "$work/app.tar.zst" -ImageName app2
            $imported.Path | Should -Be "$folder/elsewhere/app2"
            Compare-CracImage $image.Path $imported.Path | Should -BeNullOrEmpty
            $before = @(Get-Content $numbers).Count
            (Restore-CracProcess app2).Id | Should -Be $id
            Wait-Count $numbers ($before + 3)
            $null = Invoke-CracCheckpoint -Id $id -ImagePath $image.Path -Force
        }
        finally {
            Set-TestVariable 'PSCRAC_IMAGE_ROOT' "$folder/images"
        }
    }

    It 'restores an archive as it is, leaves nothing of it, and removes what a killed session left' {
        $null = Export-CracImage app "$work/app.tar.zst"
        $imports = "$env:PSCRAC_STATE_ROOT/imports"
        $null = New-Item -ItemType Directory "$imports/.pscrac-left.partial" -Force
        Set-Content "$imports/.pscrac-left.partial/pages-1.img" 'secret'
        $before = @(Get-Content $numbers).Count
        $restored = Restore-CracProcess "$work/app.tar.zst"
        $restored.Id | Should -Be $id
        $restored.ImagePath | Should -Be "$work/app.tar.zst"
        Wait-Count $numbers ($before + 3)
        Get-ChildItem -Force $imports | Should -BeNullOrEmpty
        $null = Invoke-CracCheckpoint -Id $id -ImagePath $image.Path -Force
    }

    It 'removes the unpacked image of a lazy restore when the process runs, and its memory comes all the same' {
        $null = Export-CracImage app "$work/app.tar"
        $restored = Restore-CracProcess "$work/app.tar" -LazyPages
        Get-ChildItem -Force "$env:PSCRAC_STATE_ROOT/imports" | Should -BeNullOrEmpty
        $restored.LazyPages.WaitForAll([timespan]::FromSeconds(60)) | Should -BeTrue
        $null = Invoke-CracCheckpoint -Id $id -ImagePath $image.Path -Force
    }

    It 'refuses to restore an archive that others may write, unless told otherwise' {
        $null = Export-CracImage app "$work/app.tar.zst"
        chmod 666 "$work/app.tar.zst"
        $failure = { Restore-CracProcess "$work/app.tar.zst" -ErrorAction Stop } | Should -Throw -ErrorId 'ImageNotTrusted,*' -PassThru
        $failure.ErrorDetails.RecommendedAction | Should -Match 'Import-CracImage'
    }

    It 'encrypts to -Recipient and imports with -Identity' {
        $null = Export-CracImage app "$work/app.tar.zst.age" -Recipient $recipient
        $encrypted = Get-CracImage "$work/app.tar.zst.age"
        $encrypted.Name, $encrypted.IsEncrypted, $encrypted.ClaimedSigner | Should -Be 'app', $true, $null
        $encrypted.Size | Should -Be (Get-Item "$work/app.tar.zst.age").Length
        ($encrypted | Out-String) | Should -Match 'app .*\(encrypted\)'
        { Restore-CracProcess "$work/app.tar.zst.age" -ErrorAction Stop } | Should -Throw -ErrorId 'DecryptionFailed,*'
        { Import-CracImage "$work/app.tar.zst.age" -ImagePath "$work/app" -ErrorAction Stop } | Should -Throw -ErrorId 'DecryptionFailed,*'
        (Import-CracImage "$work/app.tar.zst.age" -ImagePath "$work/app" -Identity "$folder/keys/key.txt").RootProcessId | Should -Be $id
    }

    It 'shows an archive with its name, its size and what is in it' {
        $file = Export-CracImage app "$work/App.tar.zst"
        $shown = Get-CracImage $file
        $shown.Name, $shown.IsArchive, $shown.IsEncrypted, $shown.Size | Should -Be 'App', $true, $false, $file.Length
        $shown.RootProcessId | Should -Be $id
    }

    It 'does nothing with -WhatIf' {
        Export-CracImage app "$work/app.tar.zst" -WhatIf
        Get-ChildItem -Force $work | Should -BeNullOrEmpty
        $null = Export-CracImage app "$work/app.tar.zst"
        Import-CracImage "$work/app.tar.zst" -ImagePath "$work/app" -WhatIf
        (Get-ChildItem -Force $work).Name | Should -Be 'app.tar.zst'
    }

    It 'puts several images into a folder, and not all into one file' {
        Copy-Item -Recurse $image.Path "$work/one"
        Copy-Item -Recurse $image.Path "$work/two"
        $null = New-Item -ItemType Directory "$work/out"
        (Get-CracImage "$work/*" | Export-CracImage -DestinationPath "$work/out").Name | Should -Be 'one.tar.zst', 'two.tar.zst'
        Get-CracImage "$work/one", "$work/two" | Export-CracImage -DestinationPath "$work/all.tar" -Force -ErrorAction SilentlyContinue -ErrorVariable failed
        $failed.FullyQualifiedErrorId | Should -BeLike 'ImageExists,*'
        (Get-ChildItem "$work/out/*" | Import-CracImage -ImagePath "$work/single" -ErrorAction SilentlyContinue).Path | Should -Be "$work/single"
        (Get-ChildItem "$work/out/*" | Import-CracImage).Name | Should -Be 'one', 'two'
    }

    It 'refuses <What>' -ForEach @(
        @{ What = 'an ECDSA key'; Call = { Export-CracImage app "$work/x" -Recipient 'ecdsa-sha2-nistp256 AAAA' }; Id = 'OptionRefused,*' }
        @{ What = 'a secret key'; Call = { Export-CracImage app "$work/x" -Recipient 'AGE-SECRET-KEY-1ABC' }; Id = 'OptionRefused,*' }
        @{ What = 'a level without zstd'; Call = { Export-CracImage app "$work/x" -Compression None -CompressionLevel 3 }; Id = 'OptionRefused,*' }
        @{ What = 'two targets'; Call = { Import-CracImage "$work/x" -ImageName a -ImagePath "$work/a" }; Id = 'OptionRefused,*' }
        @{ What = 'an image that is not there'; Call = { Export-CracImage none "$work/x" -ErrorAction Stop }; Id = 'NotAnImage,*' }
        @{ What = 'an archive that is not there'; Call = { Import-CracImage "$work/none" -ErrorAction Stop }; Id = 'FileMissing,*' }
        @{ What = 'a wildcard that finds nothing'; Call = { Import-CracImage "$work/*.tar" -ErrorAction Stop }; Id = 'FileMissing,*' }
    ) {
        $failure = $Call | Should -Throw -ErrorId $Id -PassThru
        $failure.ErrorDetails.RecommendedAction | Should -Match '\.$'
        "$failure" | Should -Not -Match 'ABC'
        Get-ChildItem -Force $work | Should -BeNullOrEmpty
    }

    It 'goes on after an archive that it cannot import' {
        Set-Content "$work/bad.tar" 'nothing'
        $null = Export-CracImage app "$work/good.tar.zst"
        (Import-CracImage "$work/bad.tar", "$work/good.tar.zst" -Force -ErrorAction SilentlyContinue -ErrorVariable failed).Name | Should -Be 'good'
        $failed.Count | Should -Be 1
    }
}
