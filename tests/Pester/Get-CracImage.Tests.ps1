BeforeDiscovery {
    Import-Module "$PSScriptRoot/Support.psm1"
    $obstacle = Get-CriuObstacle
}

BeforeAll {
    Import-Module "$PSScriptRoot/Support.psm1"
    $folder = Enter-CracTest
}

AfterAll {
    Exit-CracTest
}

Describe "Get-CracImage$(Get-SkipNote $obstacle)" -Skip:([bool] $obstacle) {
    BeforeAll {
        # One image, and copies of it to damage.
        $id = Start-TestProgram "bash -c 'sleep 1000 & wait'"
        $made = Invoke-CracCheckpoint -Id $id -ImageName one -PidTimeout 0
        $path = $made.Path
    }

    BeforeEach {
        $work = (New-Item -ItemType Directory "$folder/$([guid]::NewGuid())").FullName
    }

    It 'tells what is in an image' {
        $image = Get-CracImage $path
        $image | Should -BeOfType PSCrac.CracImage
        $image.Name | Should -Be 'one'
        $image.RootProcessId | Should -Be $id
        $image.Command | Should -Be 'bash -c sleep 1000 & wait'
        $image.ProcessCount | Should -Be $image.Processes.Count
        $image.ThreadCount | Should -BeGreaterOrEqual $image.ProcessCount
        $image.Memory | Should -BeGreaterThan 4096
        $image.Size | Should -BeGreaterThan $image.Memory
        $image.Host.Name | Should -Be ([Environment]::MachineName)
        $image.Created | Should -Be $made.Created
        $image.Statistics.FrozenTime | Should -BeGreaterThan ([TimeSpan]::Zero)
        $image.IsOneShot | Should -BeFalse
    }

    It 'gives all images under the image root without a path' {
        Copy-Item -Recurse $path "$env:PSCRAC_IMAGE_ROOT/another"
        $null = New-Item -ItemType Directory "$env:PSCRAC_IMAGE_ROOT/no image"
        (Get-CracImage -ErrorAction Stop).Name | Should -Be 'another', 'one'
        (Get-CracImage an*).Name | Should -Be 'another'
    }

    It 'gives the images of a service by its name, by a wildcard, by its path, and among all, oldest first' {
        $null = New-Item -ItemType Directory "$env:PSCRAC_IMAGE_ROOT/web"
        foreach ($time in '20261127-140533', '20261126-140533') { Copy-Item -Recurse $path "$env:PSCRAC_IMAGE_ROOT/web/$time" }
        foreach ($found in (Get-CracImage web), (Get-CracImage we*), (Get-CracImage "$env:PSCRAC_IMAGE_ROOT/web"), (Get-CracImage "$env:PSCRAC_IMAGE_ROOT/w*"), (Get-CracImage | Where-Object ServiceName)) {
            $found.Name | Should -Be '20261126-140533', '20261127-140533'
            $found.ServiceName | Should -Be 'web', 'web'
        }
        (Get-CracImage one).ServiceName | Should -BeNullOrEmpty
        Get-CracImage web | Out-String -Width 80 | Should -Match 'web/20261126-'
        Remove-Item -Recurse "$env:PSCRAC_IMAGE_ROOT/web"
    }

    It 'gives nothing where there is no image root' {
        (Invoke-ChildPwsh '@(Get-CracImage).Count' @{ PSCRAC_IMAGE_ROOT = "$work/none" }).Output | Should -Be '0'
    }

    It 'gives nothing, and no error, for a wildcard that finds nothing' {
        Get-CracImage "$work/*" -ErrorAction Stop | Should -BeNullOrEmpty
    }

    It 'takes paths from the pipeline, by value and by property' {
        ($path | Get-CracImage).RootProcessId | Should -Be $id
        (Get-Item $path | Get-CracImage).RootProcessId | Should -Be $id
        ([pscustomobject]@{ Path = $path } | Get-CracImage).RootProcessId | Should -Be $id
    }

    It 'takes a path with [1] in it by -LiteralPath' {
        Copy-Item -Recurse $path "$work/cr [1]"
        (Get-CracImage -LiteralPath "$work/cr [1]").RootProcessId | Should -Be $id
    }

    It 'reads an image without a manifest, and says less' {
        Copy-Item -Recurse $path "$work/cr"
        Remove-Item "$work/cr/pscrac.json"
        $image = Get-CracImage "$work/cr"
        $image.RootProcessId | Should -Be $id
        $image.Command | Should -Be 'bash'
        $image.ProcessCount | Should -Be $made.ProcessCount
        $image.Host | Should -BeNullOrEmpty
        $image.Options.Count | Should -Be 0
        $image.CriuVersion | Should -Be $made.CriuVersion -Because 'the log tells it'
    }

    It 'knows the image of a JVM by its cppath' {
        Copy-Item -Recurse $path "$work/cr"
        Remove-Item "$work/cr/pscrac.json"
        Set-Content "$work/cr/cppath" "$work/cr" -NoNewline
        (Get-CracImage "$work/cr").Engine | Should -Be 'Jvm'
    }

    It 'says of <What> that it is no image' -ForEach @(
        @{ What = 'nothing'; Make = {} }
        @{ What = 'a file'; Make = { Set-Content $args[0] 'x' } }
        @{ What = 'a folder'; Make = { $null = New-Item -ItemType Directory $args[0] } }
    ) {
        & $Make "$work/it"
        $failure = { Get-CracImage "$work/it" -ErrorAction Stop } | Should -Throw -ErrorId 'NotAnImage,*' -PassThru
        $failure.Exception.Message | Should -Match 'it is not an image: '
        $failure.TargetObject | Should -Be "$work/it"
    }

    It 'looks in both places for a word, and says so' {
        $failure = { Get-CracImage nowhere -ErrorAction Stop } | Should -Throw -ErrorId 'NotAnImage,*' -PassThru
        $failure.Exception.Message | Should -Match "$env:PSCRAC_IMAGE_ROOT/nowhere"
        $failure.Exception.Message | Should -Match ([regex]::Escape("$PWD/nowhere"))
    }

    It 'names the file that is <What>' -ForEach @(
        @{ What = 'cut short'; File = 'pstree.img'; Reason = 'ImageIncomplete'; Damage = { $f = [IO.File]::OpenWrite($args[0]); $f.SetLength($f.Length - 3); $f.Dispose() } }
        @{ What = 'of another kind'; File = 'pstree.img'; Reason = 'ImageCorrupt'; Damage = { $b = [IO.File]::ReadAllBytes($args[0]); 0..7 | ForEach-Object { $b[$_] = 0x55 }; [IO.File]::WriteAllBytes($args[0], $b) } }
        @{ What = 'missing'; File = 'pstree.img'; Reason = 'ImageIncomplete'; Damage = { Remove-Item $args[0] } }
        @{ What = 'not there, though the first of all'; File = 'inventory.img'; Reason = 'ImageIncomplete'; Damage = { Remove-Item $args[0] } }
    ) {
        Copy-Item -Recurse $path "$work/cr"
        Remove-Item "$work/cr/pscrac.json"
        & $Damage "$work/cr/$File"
        $failure = { Get-CracImage "$work/cr" -ErrorAction Stop } | Should -Throw -ErrorId "$Reason,*" -PassThru
        $failure.Exception.FileName | Should -Be $File
        $failure.Exception.Message | Should -Match ([regex]::Escape($File))
    }

    It 'goes on after a path that is bad, a drive that is not there and a provider that is no file system' {
        $images = @(Get-CracImage "$work/no", nodrive:/x, nodrive:/*, env:PATH, $path -ErrorAction SilentlyContinue -ErrorVariable errors)
        $images.Name | Should -Be 'one'
        $errors.Count | Should -Be 4
        $errors.FullyQualifiedErrorId | Sort-Object -Unique | Should -Be 'NotAnImage,PSCrac.Commands.GetCracImageCommand'
    }

    It 'shows as a table of 80 columns' {
        $lines = (Get-CracImage $path | Out-String -Width 80).Trim().Split("`n")
        $lines[0] | Should -Match '^Name +ProcessId Processes +Memory +Created +Command'
        $lines.Count | Should -Be 3
        ($lines | Measure-Object -Property Length -Maximum).Maximum | Should -BeLessOrEqual 80
    }
}
